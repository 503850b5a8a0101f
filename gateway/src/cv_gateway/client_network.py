"""The client network of a request: the unit of all limits by address."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from cv_gateway.settings import TrustedNetworks


def client_network(peer: str, forwarded_for: str, trusted: TrustedNetworks) -> str:
    """Return the client's IPv4 address, or the /64 of its IPv6 address, which belongs to one customer.

    The client is the last hop of `X-Forwarded-For` that is no trusted proxy. granian's own proxy support is not used:
    it does not recognize a trusted IPv4 proxy by its IPv4-mapped IPv6 address.
    """
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    address = _parse(peer)
    while hops and not isinstance(address, str) and any(address in network for network in trusted):
        address = _parse(hops.pop())
    return str(IPv6Network((address, 64), strict=False) if isinstance(address, IPv6Address) else address)


def _parse(text: str) -> IPv4Address | IPv6Address | str:
    """Return an address, with an IPv4-mapped one as IPv4; other text as it is."""
    try:
        address = ip_address(text)
    except ValueError:
        return text
    return getattr(address, "ipv4_mapped", None) or address
