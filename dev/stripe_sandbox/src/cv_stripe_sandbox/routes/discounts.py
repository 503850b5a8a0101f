"""/v1/coupons and /v1/promotion_codes."""

from stripe import params as sdk

from cv_stripe_sandbox.actions import discounts
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.routes.operation import Operation, list_objects, list_params, param_names, retrieve_object
from cv_stripe_sandbox.shapes import Json


def _list_coupons(context: Context, params: Json) -> Json:
    return list_objects(context, "coupon", "/v1/coupons", params)


def _list_codes(context: Context, params: Json) -> Json:
    return list_objects(context, "promotion_code", "/v1/promotion_codes", params, "active", "code")


def _update_code(context: Context, params: Json, code_id: str) -> Json:
    code = context.objects.get(code_id, "promotion_code")
    return context.update(code, params, event="promotion_code.updated")


_COUPON = param_names("amount_off currency duration duration_in_months id metadata name percent_off")
_CODE = param_names("active code metadata promotion")

OPERATIONS = [
    Operation("POST", "/v1/coupons", sdk.CouponCreateParams, discounts.create_coupon, _COUPON),
    Operation("GET", "/v1/coupons", sdk.CouponListParams, _list_coupons, list_params("")),
    Operation("GET", "/v1/coupons/{id}", sdk.CouponRetrieveParams, retrieve_object("coupon")),
    Operation("POST", "/v1/promotion_codes", sdk.PromotionCodeCreateParams, discounts.create_promotion_code, _CODE),
    Operation("GET", "/v1/promotion_codes", sdk.PromotionCodeListParams, _list_codes, list_params("active code")),
    Operation("GET", "/v1/promotion_codes/{id}", sdk.PromotionCodeRetrieveParams, retrieve_object("promotion_code")),
    Operation("POST", "/v1/promotion_codes/{id}", sdk.PromotionCodeUpdateParams, _update_code, param_names("active")),
]
