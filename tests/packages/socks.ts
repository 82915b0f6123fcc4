/** A SOCKS client of other people, for end-to-end tests of the proxy. */
export * from "npm:socks@2.8.11";
