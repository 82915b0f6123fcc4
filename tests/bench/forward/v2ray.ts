/** V2Ray as a rival: VMess over TCP with its multiplexer, SOCKS5 at the client. */
import type { CipherName } from "../../../src/contract/cipher.ts";
import { requireProgram } from "../contender.ts";
import type { Contender } from "../proxy/contender.ts";
import {
  BY_SOCKS,
  LOOPBACK,
  SERVER_PORT,
  SOCKS_PORT,
  spawnEnd,
  untilListening,
} from "../proxy/ends.ts";

const USER = "b831381d-6324-4d53-ad4f-8cda48b30811";

/** VMess has AES with keys of 128 bits alone. */
const SECURITY: Record<CipherName, string> = {
  "aes-256-gcm": "aes-128-gcm",
  "chacha20-poly1305": "chacha20-poly1305",
};

export const v2rayName = (cipher: CipherName) => `v2ray, mux, ${SECURITY[cipher]}`;

export function v2ray(cipher: CipherName): Contender {
  return {
    name: v2rayName(cipher),
    cipher,
    prepare: async (files) => {
      await requireProgram("v2ray", "v2ray");
      const folder = files.makeFolder("v2ray");
      for (const [name, config] of Object.entries(configsOf(cipher))) {
        await Deno.writeTextFile(`${folder}/${name}.json`, JSON.stringify(config));
      }
      return async (host) => {
        const spawn = (name: string) =>
          spawnEnd(host, "v2ray", ["-config", `${folder}/${name}.json`]);
        const server = spawn("server");
        await untilListening(host, server, SERVER_PORT);
        const client = spawn("client");
        await untilListening(host, client, SOCKS_PORT);
        return { ...BY_SOCKS, client, server };
      };
    },
  };
}

/** Its mux takes at most 1024 connections over one of TCP. */
const MUX = { enabled: true, concurrency: 1024 };

function configsOf(cipher: CipherName) {
  const log = { loglevel: "error" };
  const user = { id: USER, alterId: 0 };
  return {
    server: {
      log,
      inbounds: [{
        listen: LOOPBACK,
        port: SERVER_PORT,
        protocol: "vmess",
        settings: { clients: [user] },
      }],
      outbounds: [{ protocol: "freedom" }],
    },
    client: {
      log,
      inbounds: [{ listen: LOOPBACK, port: SOCKS_PORT, protocol: "socks" }],
      outbounds: [{
        protocol: "vmess",
        mux: MUX,
        settings: {
          vnext: [{
            address: LOOPBACK,
            port: SERVER_PORT,
            users: [{ ...user, security: SECURITY[cipher] }],
          }],
        },
      }],
    },
  };
}
