"""/v1/products and /v1/prices."""

from stripe import params as sdk

from cv_stripe_sandbox.actions import catalog
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.routes.operation import Operation, list_objects, list_params, param_names, retrieve_object
from cv_stripe_sandbox.shapes import Json


def _list_products(context: Context, params: Json) -> Json:
    if "ids" in params:
        params |= {"id": params.pop("ids")}
    return list_objects(context, "product", "/v1/products", params, "active", "id", "url")


def _list_prices(context: Context, params: Json) -> Json:
    if "lookup_keys" in params:
        params |= {"lookup_key": params.pop("lookup_keys")}
    return list_objects(context, "price", "/v1/prices", params, "active", "currency", "lookup_key", "product", "type")


def _update_product(context: Context, params: Json, product_id: str) -> Json:
    return catalog.update_product(context, product_id, params)


def _update_price(context: Context, params: Json, price_id: str) -> Json:
    return catalog.update_price(context, price_id, params)


_PRODUCT = param_names("active description id images metadata name statement_descriptor tax_code type unit_label url")
_PRICE = param_names(
    "active currency lookup_key metadata nickname product product_data recurring tax_behavior "
    "transfer_lookup_key unit_amount"
)
_PRICE_UPDATE = param_names("active lookup_key metadata nickname tax_behavior transfer_lookup_key")

OPERATIONS = [
    Operation("POST", "/v1/products", sdk.ProductCreateParams, catalog.create_product, _PRODUCT),
    Operation("GET", "/v1/products", sdk.ProductListParams, _list_products, list_params("active ids url")),
    Operation("GET", "/v1/products/{id}", sdk.ProductRetrieveParams, retrieve_object("product")),
    Operation("POST", "/v1/products/{id}", sdk.ProductUpdateParams, _update_product, _PRODUCT),
    Operation("POST", "/v1/prices", sdk.PriceCreateParams, catalog.create_price, _PRICE),
    Operation("GET", "/v1/prices", sdk.PriceListParams, _list_prices,
              list_params("active currency lookup_keys product type")),
    Operation("GET", "/v1/prices/{id}", sdk.PriceRetrieveParams, retrieve_object("price")),
    Operation("POST", "/v1/prices/{id}", sdk.PriceUpdateParams, _update_price, _PRICE_UPDATE),
]  # fmt: skip
