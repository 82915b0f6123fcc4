import type { Host, Process } from "../../netns.ts";

/** Name that all contenders serve, and the one of ttun for uploads. */
export const NAME = "shop.example.test";
export const UPLOAD_NAME = "up.example.test";

/** Ports of the services: a page and a large file; what takes uploads. */
export const PAGE_PORT = 8080;
export const UPLOAD_PORT = 8081;

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A reverse proxy with TLS that is ready. */
export interface Contender {
  readonly name: string;
  readonly port: number;
  /** Processes whose work counts, with those that descend from them. */
  readonly processes: readonly Process[];
  /** Name and path of uploads. */
  readonly upload: string;
}

/** Waits until something takes connections at a port of the host's loopback. */
export async function untilListening(host: Host, port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const found = await host.sh(`ss -Hltn sport = :${port}`);
    if (found !== "") return;
    await new Promise((wake) => setTimeout(wake, 100));
  }
  throw new Error(`Nothing listens at port ${port}`);
}
