/**
 * SO_MARK of the carrier's sockets and of the queries for the server's name. Its bits are none of
 * those that Kubernetes, Tailscale and Calico look at.
 */
export const CARRIER_MARK = 0x1774;
