import { type Command, defineCommand } from "./command.ts";
import type { LogSettings } from "./log_writer.ts";
import { CLIENT_OPTIONS, SERVER_OPTIONS, type VpnOptions } from "./vpn_options.ts";

/**
 * All commands by name, in the order that help lists them. What a command needs is loaded when it
 * runs, so that `ttun --help` stays quick and asks for nothing.
 */
export const COMMANDS = {
  server: defineCommand({
    summary: "wait for a client and be its tunnel's other end",
    example: "ttun server --key-file /etc/ttun/key",
    options: SERVER_OPTIONS,
    logging: logSettings,
    run: async (options, context) =>
      await (await import("./vpn.ts")).runVpn("server", options, context),
  }),
  client: defineCommand({
    summary: "connect to a server and keep connected",
    example: "ttun client -s vpn.example.net:20203 --key-file ~/.ttun-key",
    options: CLIENT_OPTIONS,
    logging: logSettings,
    run: async (options, context) =>
      await (await import("./vpn.ts")).runVpn("client", options, context),
  }),
  genkey: defineCommand({
    summary: "print a new random key",
    example: "(umask 077; ttun genkey > ~/.ttun-key)",
    options: {},
    run: async () => (await import("./keys.ts")).runGenkey(),
  }),
} as const satisfies Readonly<Record<string, Command>>;

function logSettings(options: VpnOptions): LogSettings {
  return {
    level: options.verbose ? "debug" : options.quiet ? "warn" : "info",
    format: options.logFormat,
  };
}
