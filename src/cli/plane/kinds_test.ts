import { type PlaneConfig, PLANES } from "./kinds.ts";

/** A third kind of data plane. */
interface EchoConfig {
  readonly kind: "echo";
}

const take = (_config: PlaneConfig) => {};

Deno.test("a data plane that is not in the table does not compile", () => {
  const config: EchoConfig = { kind: "echo" };
  // @ts-expect-error -- its config fits no Worker
  take(config);
  // @ts-expect-error -- the import of one kind is missing
  const _: typeof PLANES = { tun: PLANES.tun };
});
