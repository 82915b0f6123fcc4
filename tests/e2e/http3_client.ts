// A client of HTTP/3 by hand: http3_client.ts PORT CA NAME; prints what each request has got, as JSON.
import { concat, toHex, utf8 } from "../../src/base/bytes.ts";
import { settingsStream } from "../../src/core/http/http3/connection.ts";
import { Frame } from "../../src/core/http/http3/constants.ts";
import { frameHeader, FrameReader, packFrame } from "../../src/core/http/http3/frames.ts";
import { decodeQpack } from "../../src/core/http/qpack/decoder.ts";
import { encodeQpack } from "../../src/core/http/qpack/encoder.ts";

const [port, ca, name] = Deno.args as [string, string, string];
const LIMITS = { bytes: 65_536, fields: 256 };

interface Answer {
  status: string;
  fields: Record<string, string>;
  trailers: Record<string, string>;
  size: number;
  text: string;
  sha256: string;
}

async function connect(): Promise<Deno.QuicConn> {
  const conn = await Deno.connectQuic<false>({
    hostname: "127.0.0.1",
    port: Number(port),
    serverName: name,
    caCerts: [await Deno.readTextFile(ca)],
    alpnProtocols: ["h3"],
    maxConcurrentUnidirectionalStreams: 8,
  });
  const writer = (await conn.createUnidirectionalStream()).getWriter();
  await writer.write(settingsStream() as Uint8Array<ArrayBuffer>);
  kept.push(writer);
  return conn;
}

/** A writer that the garbage collection takes would end its stream. */
const kept: unknown[] = [];

function head(fields: Record<string, string>): Uint8Array<ArrayBuffer> {
  const all = { ":method": "GET", ":scheme": "https", ":authority": name, ":path": "/", ...fields };
  const list = Object.entries(all).map(([name, value]) => ({ name, value }));
  return packFrame(Frame.headers, encodeQpack(list)) as Uint8Array<ArrayBuffer>;
}

async function read(
  stream: Deno.QuicBidirectionalStream,
  onData: (sum: number) => boolean = () => true,
): Promise<Answer> {
  const answer: Answer = { status: "", fields: {}, trailers: {}, size: 0, text: "", sha256: "" };
  const parts: Uint8Array[] = [];
  const frames = new FrameReader({
    begins: (type) => type === Frame.data ? "pieces" : "whole",
    frame: (_type, payload) => {
      const { fields } = decodeQpack(payload, LIMITS);
      const all = Object.fromEntries(fields.map(({ name, value }) => [name, value]));
      if (answer.status !== "") answer.trailers = all;
      else if (!all[":status"]!.startsWith("1")) {
        [answer.status, answer.fields] = [all[":status"]!, all];
      }
    },
    piece: (bytes) => {
      parts.push(bytes.slice());
      answer.size += bytes.length;
    },
  });
  for await (const bytes of stream.readable) {
    frames.take(bytes);
    if (!onData(answer.size)) break;
  }
  const whole = concat(...parts);
  answer.text = new TextDecoder().decode(whole.subarray(0, 300));
  answer.sha256 = toHex(
    new Uint8Array(await crypto.subtle.digest("SHA-256", whole as Uint8Array<ArrayBuffer>)),
  );
  return answer;
}

async function ask(
  conn: Deno.QuicConn,
  fields: Record<string, string>,
  body?: Uint8Array,
): Promise<Answer> {
  const stream = await conn.createBidirectionalStream({ waitUntilAvailable: true });
  const writer = stream.writable.getWriter();
  const send = async () => {
    await writer.write(head(fields));
    for (let at = 0; body !== undefined && at < body.length; at += 50_000) {
      const part = body.subarray(at, at + 50_000);
      await writer.write(
        concat(frameHeader(Frame.data, part.length), part) as Uint8Array<ArrayBuffer>,
      );
    }
    await writer.close();
  };
  const sending = send().catch(() => {}); // an early answer ends it
  const answer = await read(stream);
  await sending;
  return answer;
}

const told: Record<string, unknown> = {};
const conn = await connect();
told.get = await ask(conn, { ":path": "/a%2Fb//c?d", cookie: "a=1" });
const body = new Uint8Array(3_000_000).map((_, i) => i * 31);
told.upload = await ask(conn, { ":path": "/echo", ":method": "POST" }, body);
told.sent = toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", body)));
told.early = await ask(conn, { ":path": "/early", ":method": "POST" }, new Uint8Array(5_000_000));
told.bulk = await ask(conn, { ":path": "/bulk?160" });
const many = await Promise.all(Array.from({ length: 100 }, () => ask(conn, { ":path": "/many" })));
told.many = [...new Set(many.map(({ status }) => status))];
told.twoHosts = await ask(conn, { host: "other.example.test" });
{
  const stream = await conn.createBidirectionalStream({ waitUntilAvailable: true });
  const writer = stream.writable.getWriter();
  await writer.write(head({ ":method": "CONNECT", ":protocol": "websocket", ":path": "/ws" }));
  await writer.write(packFrame(Frame.data, utf8("to and fro")) as Uint8Array<ArrayBuffer>);
  told.websocket = await read(stream, (size) => size < 10);
  await writer.close();
}
{
  const stream = await conn.createBidirectionalStream({ waitUntilAvailable: true });
  const writer = stream.writable.getWriter();
  await writer.write(head({ ":path": "/hang" }));
  await writer.close();
  await new Promise((wake) => setTimeout(wake, 300));
}
conn.close({ closeCode: 0x100, reason: "" }); // and with it the request that hangs
{
  const hostile = await connect();
  const stream = await hostile.createBidirectionalStream();
  await stream.writable.getWriter().write(
    packFrame(Frame.settings, new Uint8Array()) as Uint8Array<ArrayBuffer>,
  );
  told.fault = await hostile.closed.then(({ closeCode }) => closeCode, String);
}
console.log(JSON.stringify(told));
Deno.exit(0);
