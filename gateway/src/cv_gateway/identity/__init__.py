"""Who is asking: access token and session cookies in, one signed identity token out."""

from cv_gateway.identity.access_tokens import AccessTokens
from cv_gateway.identity.keys import PublishedKeys
from cv_gateway.identity.merging import SessionMerger
from cv_gateway.identity.sessions import Sessions
from cv_gateway.identity.visitors import Identities, Visitor

__all__ = ["AccessTokens", "Identities", "PublishedKeys", "SessionMerger", "Sessions", "Visitor"]
