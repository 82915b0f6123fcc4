export type Role = "server" | "client";

/** Default addresses of the existing programs (docs/wire/ttun-v1.md). */
export const DEFAULT_ADDRESSES: Readonly<Record<Role, readonly string[]>> = {
  server: ["10.1.1.1/30", "fc11::1/126"],
  client: ["10.1.1.2/30", "fc11::2/126"],
};
