/**
 * A resolver for tests: `deno run cname_resolver.ts LISTEN UPSTREAM FILE` answers what is an alias by the
 * lines of a file (a name, and where it leads), together with what the server of the target says of it,
 * and passes all else on (UDP).
 */
import { Buffer } from "node:buffer";
import packet from "dns-packet";

interface Message {
  readonly id: number;
  readonly rcode: string;
  readonly questions: { name: string; type: string }[];
  readonly answers: unknown[];
}

const [listen, upstream, file] = Deno.args as [string, string, string];
const socket = Deno.listenDatagram({ transport: "udp", hostname: listen, port: 53 });
console.log("answering");

async function ask(query: Uint8Array): Promise<Uint8Array> {
  const own = Deno.listenDatagram({ transport: "udp", hostname: listen, port: 0 });
  try {
    await own.send(query, { transport: "udp", hostname: upstream, port: 53 });
    return (await own.receive())[0];
  } finally {
    own.close();
  }
}

async function answer(query: Uint8Array): Promise<Uint8Array> {
  const read = (bytes: Uint8Array) => packet.decode(Buffer.from(bytes)) as unknown as Message;
  const { id, questions: [question] } = read(query);
  const lines = (await Deno.readTextFile(file)).split("\n").map((line) => line.split(" "));
  const target = lines.find(([name]) => name === question!.name.toLowerCase())?.[1];
  if (target === undefined) return await ask(query);
  const alias = { name: question!.name, type: "CNAME", ttl: 1, data: target };
  const further = question!.type === "CNAME" ? [] : read(
    await ask(
      new Uint8Array(packet.encode({
        ...{ type: "query", id },
        questions: [{ name: target, type: question!.type, class: "IN" }],
      } as never)),
    ),
  ).answers;
  return new Uint8Array(packet.encode({
    ...{ type: "response", id, flags: packet.RECURSION_AVAILABLE, questions: [question] },
    answers: [alias, ...further],
  } as never));
}

for await (const [query, from] of socket) {
  answer(query).then((bytes) => socket.send(bytes, from)).catch((error) => console.error(error));
}
