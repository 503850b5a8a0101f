"""Ids that look like Stripe's."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits

_LENGTHS = {
    "cs_test_a1": 58, "ch_3": 23, "pi_3": 23, "re_3": 23, "pm_1": 23, "sub_1": 23, "in_1": 23, "il_1": 23,
    "price_1": 23, "evt_1": 23, "du_1": 23, "li_1": 23, "we_1": 23, "bps_1": 23, "bpc_1": 23,
    "inpay_1": 23, "cus_": 14, "prod_": 14, "si_": 14, "req_": 14, "ii_1": 23, "whsec_sandbox_": 32, "test_": 60,
    "fo_": 14, "promo_1": 23, "di_1": 23, "": 8,
}  # fmt: skip


def new_id(prefix: str) -> str:
    """Return a new random id. Its length depends on the prefix, as at Stripe."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTHS[prefix]))
