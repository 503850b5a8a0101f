"""Create and change products and prices."""

from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects import catalog
from cv_stripe_sandbox.params.check import missing_param
from cv_stripe_sandbox.shapes import Json


def create_product(context: Context, params: Json) -> Json:
    """Create a product. An id that the caller chooses must be unused."""
    if params.get("id") and context.objects.find(params["id"]):
        raise StripeError("Product already exists.", code="resource_already_exists", param="id")
    return context.create(catalog.product(params, context.now), event="product.created")


def create_price(context: Context, params: Json, *, path: str = "") -> Json:
    """Create a per-unit price of an existing or a new product. `path` is that of the parameters in the request."""
    product = _product_of(context, params, path)
    if "unit_amount" not in params:
        raise missing_param(_at(path, "unit_amount"))
    if params["unit_amount"] < 0:
        raise StripeError("Invalid non-negative integer", param=_at(path, "unit_amount"))
    _check_lookup_key(context, params)
    return context.create(catalog.price(params, product["id"], context.now), event="price.created")


def update_product(context: Context, product_id: str, params: Json) -> Json:
    """Change a product."""
    product = context.objects.get(product_id, "product")
    shown = {name: value for name, value in params.items() if name in product}
    return context.update(product, {**shown, "updated": context.now}, event="product.updated")


def update_price(context: Context, price_id: str, params: Json) -> Json:
    """Change a price, except its amount."""
    price = context.objects.get(price_id, "price")
    _check_lookup_key(context, params)
    shown = {name: value for name, value in params.items() if name in price}
    return context.update(price, shown, event="price.updated")


def _product_of(context: Context, params: Json, path: str) -> Json:
    if "product" in params and "product_data" in params:
        raise StripeError("You may only specify one of these parameters: product, product_data.")
    if "product_data" in params:
        return create_product(context, params["product_data"])
    if "product" not in params:
        raise missing_param(_at(path, "product"))
    return context.objects.get(params["product"], "product", param=_at(path, "product"))


def _check_lookup_key(context: Context, params: Json) -> None:
    key = params.get("lookup_key")
    if not key:
        return
    for holder in context.objects.select("price", {"lookup_key": key}):
        if not params.get("transfer_lookup_key"):
            raise StripeError(
                f"A price (`{holder['id']}`) already uses that lookup key.",
                code="resource_already_exists",
                param="lookup_key",
            )
        context.update(holder, {"lookup_key": None}, event="price.updated")


def _at(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name
