/**
 * A host of the demo's internet, and a program that asks it:
 *
 *     demo_internet.ts serve ADDRESS     tells each connection's client its address
 *     demo_internet.ts ask ADDRESS       prints the address under which it is seen there
 */
const PORT = 8080;

const [verb, hostname] = Deno.args as [string, string];
if (verb === "serve") {
  using listener = Deno.listen({ hostname, port: PORT });
  console.log("serving");
  for await (const connection of listener) {
    using one = connection;
    await one.write(new TextEncoder().encode(one.remoteAddr.hostname));
  }
} else {
  using connection = await Deno.connect({ hostname, port: PORT });
  console.log(await new Response(connection.readable).text());
}
