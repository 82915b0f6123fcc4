import { Buffer } from "node:buffer";
import { createPublicKey, verify } from "node:crypto";
import { abortable } from "../../src/base/scope.ts";
import { concat, fromHex, toHex, utf8 } from "../../src/base/bytes.ts";
import type { AcmeAnswer, AcmeTransport } from "../../src/contract/issuer.ts";
import {
  bitString,
  contextTag,
  der,
  integer,
  octetString,
  oid,
  sequence,
  time,
} from "../../src/core/x509/der_writer.ts";
import { encodePem } from "../../src/core/x509/pem.ts";

const DAY = 86_400_000;
const P256 = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

interface Order {
  readonly names: string[];
  readonly account: string;
  readonly replaces: string | null;
  /** Texts of its challenges that were asked to be looked at, by authorization. */
  readonly proofs: { name: string; token: string; status: string }[];
  status: string;
  certificate: string | null;
}

/** An authority in memory that speaks ACME as RFC 8555 has it, and does otherwise as a test wishes. */
export class AcmeAuthority implements AcmeTransport {
  readonly orders: Order[] = [];
  readonly accounts: string[] = [];
  readonly requests: string[] = [];
  /** Replaces an answer; null = it stays as it is. */
  tamper: (url: string, answer: AcmeAnswer) => AcmeAnswer | null = () => null;
  /** Refuses so many nonces. */
  staleNonces = 0;
  /** Null = it does not say when to renew. */
  renewal: { start: string; end: string } | null = null;
  lifetimeMs = 90 * DAY;
  /** Returns the texts at a challenge's name. */
  texts: (name: string) => Promise<readonly string[]> = () => Promise.resolve([]);
  nowMs: () => number;
  readonly #nonces = new Set<string>();
  #count = 0;

  constructor(now: () => number) {
    this.nowMs = now;
  }

  async send(
    { method, url, body }: { method: string; url: string; body: string | null },
    signal: AbortSignal,
  ): Promise<AcmeAnswer> {
    signal.throwIfAborted();
    this.requests.push(`${method} ${url}`);
    const nonce = `nonce-${++this.#count}`;
    this.#nonces.add(nonce);
    const [status, value, location] = await abortable(this.#answer(url, body), signal);
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const fields = { "replay-nonce": nonce, ...(location !== undefined && { location }) };
    const answer = { status, fields, text };
    return this.tamper(url, answer) ?? answer;
  }

  async #answer(url: string, body: string | null): Promise<[number, unknown, string?]> {
    const path = url.slice("https://ca.test/".length);
    if (path === "dir") {
      const at = (one: string) => `https://ca.test/${one}`;
      return [200, {
        ...{ newNonce: at("nonce"), newAccount: at("account"), newOrder: at("order") },
        ...(this.renewal !== null && { renewalInfo: at("renewal") }),
      }];
    }
    if (path === "nonce") return [200, ""];
    if (path.startsWith("renewal/")) return [200, { suggestedWindow: this.renewal }];
    const request = this.#verified(url, body!);
    if (request === null) return [400, { type: "urn:ietf:params:acme:error:badNonce" }];
    const { payload, account, key } = request;
    if (path === "account") {
      if (!this.accounts.includes(key)) this.accounts.push(key);
      return [201, {}, `https://ca.test/account/${this.accounts.indexOf(key)}`];
    }
    if (path === "order") {
      const names = payload!["identifiers"].map((one: { value: string }) => one.value);
      const proofs = names.map((name: string, i: number) => ({
        ...{ name: name.replace("*.", ""), status: "pending" },
        token: `token-of-many-bits-${this.orders.length}-${i}`,
      }));
      const replaces = payload!["replaces"] ?? null;
      const rest = { status: "pending", certificate: null };
      this.orders.push({ names, account: account!, replaces, proofs, ...rest });
      return this.#order(this.orders.length - 1, 201);
    }
    const [kind, number, part] = path.split("/");
    const order = this.orders[Number(number)]!;
    if (kind === "order") return this.#order(Number(number), 200);
    if (kind === "finalize") {
      this.#issue(order, payload!["csr"]);
      return this.#order(Number(number), 200);
    }
    if (kind === "certificate") return [200, order.certificate];
    const proof = order.proofs[Number(part)]!;
    if (kind === "challenge") {
      const texts = await this.texts(proof.name);
      proof.status = texts.length > 0 ? "valid" : "invalid";
      const statuses = order.proofs.map(({ status }) => status);
      if (statuses.includes("invalid")) order.status = "invalid";
      else if (statuses.every((status) => status === "valid")) order.status = "ready";
    }
    const failed = proof.status === "invalid" && { error: { detail: "no\ntext there" } };
    const challenge = {
      ...{ type: "dns-01", url: `https://ca.test/challenge/${number}/${part}` },
      ...{ token: proof.token, ...failed },
    };
    const other = { type: "http-01", url: "https://ca.test/other", token: "another-long-token" };
    return [200, {
      status: proof.status,
      identifier: { type: "dns", value: proof.name },
      challenges: [other, challenge],
    }];
  }

  #order(number: number, status: number): [number, unknown, string] {
    const order = this.orders[number]!;
    const at = (kind: string) => `https://ca.test/${kind}/${number}`;
    return [status, {
      status: order.status,
      authorizations: order.proofs.map((_, i) => `${at("authorization")}/${i}`),
      finalize: at("finalize"),
      ...(order.certificate !== null && { certificate: at("certificate") }),
    }, at("order")];
  }

  #issue(order: Order, csr: string): void {
    const text = Buffer.from(csr, "base64url").toString("hex");
    const start = text.indexOf(P256) + P256.length;
    const now = Math.floor(this.nowMs() / 1000) * 1000;
    const der = leaf({
      serial: this.orders.indexOf(order) + 1,
      notBefore: now,
      notAfter: now + this.lifetimeMs,
      publicKey: Uint8Array.from(Buffer.from(text.slice(start, start + 130), "hex")),
      names: order.names,
    });
    order.certificate = encodePem("CERTIFICATE", der);
    order.status = "valid";
  }

  /** Null = its nonce is to be refused. @throws an Error if it is not signed as it should be */
  #verified(url: string, body: string) {
    const request = JSON.parse(body);
    const decode = (text: string) => JSON.parse(Buffer.from(text, "base64url").toString());
    const head = decode(request.protected);
    if (this.staleNonces-- > 0 || !this.#nonces.delete(head.nonce)) return null;
    const known = this.accounts[Number(/account\/(\d+)$/.exec(head.kid ?? "")?.[1])];
    const jwk = head.jwk ?? JSON.parse(known ?? "null");
    const key = createPublicKey({ key: jwk, format: "jwk" });
    const signature = Buffer.from(request.signature, "base64url");
    const signed = utf8(`${request.protected}.${request.payload}`);
    if (
      !verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, signature) || head.url !== url
    ) {
      throw new Error(`not signed as it should be: ${toHex(signature)}`);
    }
    const payload = request.payload === "" ? null : decode(request.payload);
    return { payload, account: head.kid ?? null, key: JSON.stringify(jwk) };
  }
}

interface Leaf {
  readonly serial: number;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: Uint8Array;
  readonly names: readonly string[];
}

/** A certificate that names the key which has signed it; the signature itself is nobody's. */
function leaf({ serial, notBefore, notAfter, publicKey, names }: Leaf): Uint8Array {
  const algorithm = sequence(oid("1.2.840.10045.4.3.2"));
  const alternatives = names.map((name) => der(contextTag(2, false), utf8(name)));
  const signedBy = sequence(der(contextTag(0, false), new Uint8Array(20).fill(3)));
  const extensions = [
    sequence(oid("2.5.29.35"), octetString(signedBy)),
    sequence(oid("2.5.29.17"), octetString(sequence(...alternatives))),
  ];
  const signed = sequence(
    der(contextTag(0, true), integer(Uint8Array.of(2))),
    integer(Uint8Array.of(serial)),
    algorithm,
    sequence(),
    sequence(time(notBefore), time(notAfter)),
    sequence(),
    concat(fromHex(P256), publicKey),
    der(contextTag(3, true), sequence(...extensions)),
  );
  return sequence(signed, algorithm, bitString(new Uint8Array(64)));
}
