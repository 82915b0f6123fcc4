/**
 * A peer of version 1 written a second time, from docs/wire/ttun-v1.md alone: node's sockets, hash and
 * ciphers, one write for every frame, as the existing program does. It has no device; it sends one
 * ping through the tunnel and prints what comes back.
 *
 *     old_peer.ts server|client KEY CIPHER HOST PORT FROM TO
 */
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { connect, createServer, type Socket } from "node:net";

const [role, psk, cipherName, host, port, from, to] = Deno.args as [
  "server" | "client",
  string,
  "chacha20-poly1305" | "aes-256-gcm",
  string,
  string,
  string,
  string,
];
const MAGIC = Buffer.from("TTUN/v1\0");
const hash = (...parts: (string | Uint8Array)[]) => {
  const h = createHash("blake2s256");
  for (const part of parts) h.update(part);
  return h.digest();
};

class Conversation {
  readonly #socket: Socket;
  readonly #key: Buffer;
  readonly #mine: number;
  #sent = 0n;
  #received = 0n;

  constructor(socket: Socket, clientNonce: Buffer, serverNonce: Buffer) {
    this.#socket = socket;
    this.#key = hash("ttun/sk/v1", hash("ttun/psk/v1", psk), clientNonce, serverNonce);
    this.#mine = role === "client" ? 0 : 1;
  }

  #nonce(direction: number, counter: bigint): Buffer {
    const nonce = Buffer.alloc(12);
    nonce[0] = direction;
    nonce.writeBigUInt64BE(counter, 4);
    return nonce;
  }

  send(text: Uint8Array): void {
    const options = { authTagLength: 16 } as never;
    const cipher = createCipheriv(
      cipherName as never,
      this.#key,
      this.#nonce(this.#mine, this.#sent++),
      options,
    );
    const sealed = Buffer.concat([
      cipher.update(text),
      cipher.final(),
      (cipher as never as { getAuthTag(): Buffer }).getAuthTag(),
    ]);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(sealed.length);
    this.#socket.write(Buffer.concat([length, sealed]));
  }

  open(sealed: Buffer): Buffer {
    const options = { authTagLength: 16 } as never;
    const cipher = createDecipheriv(
      cipherName as never,
      this.#key,
      this.#nonce(1 - this.#mine, this.#received++),
      options,
    );
    (cipher as never as { setAuthTag(tag: Buffer): void }).setAuthTag(sealed.subarray(-16));
    return Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
  }
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** An ICMP echo request (RFC 792) with 8 bytes of data. */
function pingPacket(): Buffer {
  const packet = Buffer.alloc(36);
  packet.set([0x45, 0, 0, 36, 0, 1, 0, 0, 64, 1]);
  packet.set(from.split(".").map(Number), 12);
  packet.set(to.split(".").map(Number), 16);
  packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10);
  packet.set([8, 0, 0, 0, 0x12, 0x34, 0, 7], 20);
  packet.write("ttunping", 28);
  packet.writeUInt16BE(checksum(packet.subarray(20)), 22);
  return packet;
}

async function converse(socket: Socket): Promise<void> {
  socket.setNoDelay(true);
  const bytes = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let held = Buffer.alloc(0);
  const take = async (size: number): Promise<Buffer> => {
    while (held.length < size) {
      const { value, done } = await bytes.next();
      if (done) throw new Error("the connection ended");
      held = Buffer.concat([held, value]);
    }
    const taken = held.subarray(0, size);
    held = held.subarray(size);
    return taken;
  };
  const frame = async () => await take((await take(2)).readUInt16BE());
  const mine = randomBytes(16);
  if (role === "client") socket.write(mine);
  const theirs = await take(16);
  if (role === "server") socket.write(mine);
  const talk = role === "client"
    ? new Conversation(socket, mine, theirs)
    : new Conversation(socket, theirs, mine);
  if (role === "client") talk.send(MAGIC);
  if (!talk.open(await frame()).equals(MAGIC)) throw new Error("no magic");
  if (role === "server") talk.send(MAGIC);
  console.log("authenticated");
  talk.send(pingPacket());
  for (;;) {
    const packet = talk.open(await frame());
    if (packet[0] === 0x45 && packet[9] === 1) {
      console.log(`icmp type ${packet[20]} ${packet.subarray(28)}`);
    }
  }
}

const report = (error: Error) => console.log(`ended: ${error.message}`);
if (role === "client") converse(connect(Number(port), host)).catch(report);
else {
  const listener = createServer((socket) => void converse(socket).catch(report));
  listener.listen(Number(port), host, () => console.log("listening"));
}
