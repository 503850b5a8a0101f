"""Authentication: an access token or session cookies come in, one signed identity token goes to the service."""

from cv_gateway.identity.access_tokens import AccessTokens
from cv_gateway.identity.authenticator import Authenticator, Principal
from cv_gateway.identity.jwks import JwksClient
from cv_gateway.identity.merging import SessionMerger
from cv_gateway.identity.session_cookies import SessionCookies

__all__ = ["AccessTokens", "Authenticator", "JwksClient", "Principal", "SessionCookies", "SessionMerger"]
