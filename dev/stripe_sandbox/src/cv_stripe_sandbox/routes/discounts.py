"""/v1/coupons and /v1/promotion_codes."""

from stripe import params as sdk

from cv_stripe_sandbox.actions import discounts
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.routes.operation import Operation, listing, modelled, paged, retrieval
from cv_stripe_sandbox.shapes import Json


def _list_coupons(context: Context, params: Json) -> Json:
    return listing(context, "coupon", "/v1/coupons", params)


def _list_codes(context: Context, params: Json) -> Json:
    return listing(context, "promotion_code", "/v1/promotion_codes", params, "active", "code")


def _update_code(context: Context, params: Json, code_id: str) -> Json:
    code = context.objects.get(code_id, "promotion_code")
    return context.update(code, params, event="promotion_code.updated")


_COUPON = modelled("amount_off currency duration duration_in_months id metadata name percent_off")
_CODE = modelled("active code metadata promotion")

OPERATIONS = [
    Operation("POST", "/v1/coupons", sdk.CouponCreateParams, discounts.create_coupon, _COUPON),
    Operation("GET", "/v1/coupons", sdk.CouponListParams, _list_coupons, paged("")),
    Operation("GET", "/v1/coupons/{id}", sdk.CouponRetrieveParams, retrieval("coupon")),
    Operation("POST", "/v1/promotion_codes", sdk.PromotionCodeCreateParams, discounts.create_promotion_code, _CODE),
    Operation("GET", "/v1/promotion_codes", sdk.PromotionCodeListParams, _list_codes, paged("active code")),
    Operation("GET", "/v1/promotion_codes/{id}", sdk.PromotionCodeRetrieveParams, retrieval("promotion_code")),
    Operation("POST", "/v1/promotion_codes/{id}", sdk.PromotionCodeUpdateParams, _update_code, modelled("active")),
]
