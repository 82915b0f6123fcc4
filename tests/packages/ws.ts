/** Websockets of other people, for end-to-end tests of the proxy. */
export * from "npm:ws@8.23.0";
