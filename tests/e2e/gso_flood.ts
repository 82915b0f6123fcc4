/** Super-packets of UDP as fast as they go, whether anybody takes them or not: gso_flood.ts HOST */
import { GsoSocket } from "./gso_socket.ts";

const DATAGRAM = 1199;
const DISCARD = 9;
/** Now and then signals are to be heard. */
const AT_ONCE = 100;

using socket = new GsoSocket(Deno.args[0]!, DISCARD, DATAGRAM);
const datagrams = new Uint8Array(50 * DATAGRAM + 700);
console.log("flooding");
for (;;) {
  for (let i = 0; i < AT_ONCE; i++) socket.send(datagrams);
  await new Promise((resolve) => setTimeout(resolve, 0));
}
