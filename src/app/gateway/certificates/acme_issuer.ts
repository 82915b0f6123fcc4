import type { Clock, Rng } from "../../../contract/host.ts";
import type {
  AcmeAnswer,
  AcmeTransport,
  CertificateOrder,
  IssuedCertificate,
  Issuer,
  IssuerAccount,
  RenewalWindow,
} from "../../../contract/issuer.ts";
import type { EcdsaSigner } from "../../../contract/signature.ts";
import { encodeBase64Url } from "../../../base/base64url.ts";
import {
  bindAccount,
  challengeText,
  type ExternalAccount,
  signRequest,
} from "../../../core/acme/jws.ts";
import {
  type AcmeAuthorization,
  type AcmeDirectory,
  type AcmeOrder,
  IssuerError,
  readAuthorization,
  readChain,
  readDirectory,
  readOrder,
  readRenewalInfo,
  requireSuccess,
  requireUrl,
  retryAfter,
} from "../../../core/acme/messages.ts";
import { encodeRequest } from "../../../core/x509/request.ts";
import { sleep } from "../../loop/sleep.ts";
import { requireOrdered } from "./require_ordered.ts";

/** How often a request is signed anew, as its nonce was refused. */
const NONCE_TRIES = 6;

/** Milliseconds between questions whether something is done, as the authority says or not. */
const POLL_MS = { first: 250, most: 10_000 };

/** Milliseconds until the directory is fetched again, and between renewal infos (RFC 9773). */
const DIRECTORY_MS = 24 * 3600_000;
const AGAIN_MS = { least: 60_000, most: 24 * 3600_000, usual: 6 * 3600_000 };

export interface AcmeIssuerOptions {
  readonly transport: AcmeTransport;
  readonly directory: string;
  /** Where the authority may write to. */
  readonly email: string;
  readonly external: ExternalAccount | null;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly signerOf: (seed: Uint8Array) => EcdsaSigner;
  /** Milliseconds until the world sees what was told in DNS. */
  readonly visibleMs: number;
}

/** An authority that is asked by ACME (RFC 8555), with names proved in DNS. */
export class AcmeIssuer implements Issuer {
  readonly #o: AcmeIssuerOptions;
  #known: { readonly directory: AcmeDirectory; readonly until: number } | null = null;
  /** Of the last answer: it saves a request. */
  #nonce: string | null = null;

  constructor(o: AcmeIssuerOptions) {
    this.#o = o;
  }

  async register(seed: Uint8Array, signal: AbortSignal): Promise<IssuerAccount> {
    const { email, external } = this.#o;
    const { newAccount } = await this.#directory(signal);
    const { publicKey } = this.#o.signerOf(seed);
    const answer = await this.#post(
      newAccount,
      {
        termsOfServiceAgreed: true,
        contact: [`mailto:${email}`],
        ...(external !== null && {
          externalAccountBinding: bindAccount(publicKey, external, newAccount),
        }),
      },
      { seed, url: null },
      signal,
    );
    requireSuccess(answer, "the account", this.#o.now());
    return { seed, url: requireUrl(answer.fields["location"]) };
  }

  async issue(
    { names, replaces, prove }: CertificateOrder,
    account: IssuerAccount,
    signal: AbortSignal,
  ): Promise<IssuedCertificate> {
    await using proofs = new AsyncDisposableStack();
    const { url, order } = await this.#order(names, replaces, account, signal);
    const open: { readonly url: string; readonly challenge: string; readonly name: string }[] = [];
    for (const at of order.authorizations) {
      const one = await this.#authorization(at, account, signal);
      if (one.status === "valid") continue;
      if (one.challenge === null || !names.includes(one.name)) {
        throw new IssuerError(`The certificate authority takes no proof in DNS for ${names[0]}`);
      }
      const text = challengeText(one.challenge.token, this.#o.signerOf(account.seed).publicKey);
      proofs.use(await prove(one.name, text));
      open.push({ url: at, challenge: one.challenge.url, name: one.name });
    }
    if (open.length > 0) await sleep(this.#o.clock, this.#o.visibleMs, signal);
    for (const { challenge, name } of open) {
      const answer = await this.#post(challenge, {}, account, signal);
      requireSuccess(answer, `the proof for ${name}`, this.#o.now());
    }
    for (const { url, name } of open) await this.#proved(url, name, account, signal);
    const seed = this.#o.rng(32);
    const certificate = await this.#finalized(url, order, names, seed, account, signal);
    const answer = await this.#ask(certificate, account, signal);
    requireSuccess(answer, "the certificate", this.#o.now());
    const chain = readChain(answer.text);
    requireOrdered(chain, names, this.#o.signerOf(seed).publicKey, this.#o.now());
    return { chain, seed };
  }

  async renewalWindow(id: string, signal: AbortSignal): Promise<RenewalWindow | null> {
    const { renewalInfo } = await this.#directory(signal);
    if (renewalInfo === null) return null;
    const url = `${renewalInfo.replace(/\/$/, "")}/${id}`;
    const answer = await this.#send("GET", url, null, signal);
    requireSuccess(answer, "to tell when to renew", this.#o.now());
    const again = retryAfter(answer, this.#o.now()) ?? AGAIN_MS.usual;
    const againMs = Math.min(Math.max(again, AGAIN_MS.least), AGAIN_MS.most);
    return { ...readRenewalInfo(answer), againMs };
  }

  async #order(
    names: readonly string[],
    replaces: string | null,
    account: IssuerAccount,
    signal: AbortSignal,
  ): Promise<{ url: string; order: AcmeOrder }> {
    const { newOrder, renewalInfo } = await this.#directory(signal);
    const identifiers = names.map((value) => ({ type: "dns", value }));
    const ask = (more: object) => this.#post(newOrder, { identifiers, ...more }, account, signal);
    let answer = await ask(replaces === null || renewalInfo === null ? {} : { replaces });
    // It was replaced already, or is another authority's: neither is in the way of a new one.
    if (replaces !== null && answer.status >= 400 && answer.status < 500 && answer.status !== 429) {
      answer = await ask({});
    }
    requireSuccess(answer, `a certificate for ${names[0]}`, this.#o.now());
    return { url: requireUrl(answer.fields["location"]), order: readOrder(answer) };
  }

  /** Waits until the proof was looked at. @throws {IssuerError} if it was not found */
  async #proved(
    url: string,
    name: string,
    account: IssuerAccount,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#poll(signal, async () => {
      const answer = await this.#ask(url, account, signal);
      requireSuccess(answer, `the proof for ${name}`, this.#o.now());
      const { status, words } = readAuthorization(answer);
      if (status === "valid") return { done: true };
      if (status === "invalid") {
        throw new IssuerError(
          `The certificate authority does not find the proof for ${name} in DNS: ${
            words ?? "no reason"
          }`,
          { reason: "unauthorized" },
        );
      }
      return { againMs: retryAfter(answer, this.#o.now()) };
    });
  }

  /** Hands in the key, and waits for the certificate; returns where it is. */
  async #finalized(
    url: string,
    order: AcmeOrder,
    names: readonly string[],
    seed: Uint8Array,
    account: IssuerAccount,
    signal: AbortSignal,
  ): Promise<string> {
    const csr = encodeBase64Url(encodeRequest(names, this.#o.signerOf(seed)));
    let isAsked = false;
    return await this.#poll(signal, async () => {
      const answer = await this.#ask(url, account, signal);
      requireSuccess(answer, "the order", this.#o.now());
      const { status, certificate, words } = readOrder(answer);
      if (status === "valid" && certificate !== null && isAsked) return { done: certificate };
      if (status === "invalid") {
        throw new IssuerError(
          `The certificate authority gives up the order: ${words ?? "no reason"}`,
        );
      }
      if (status === "ready" && !isAsked) {
        const handed = await this.#post(order.finalize, { csr }, account, signal);
        requireSuccess(handed, "the request", this.#o.now());
        isAsked = true;
      }
      return { againMs: retryAfter(answer, this.#o.now()) };
    });
  }

  /** Asks again and again, until the signal aborts. */
  async #poll<T>(
    signal: AbortSignal,
    look: () => Promise<{ done: T } | { againMs: number | null }>,
  ): Promise<T> {
    for (let pause = POLL_MS.first;; pause = Math.min(2 * pause, POLL_MS.most)) {
      const seen = await look();
      if ("done" in seen) return seen.done;
      // Its own wish counts between these: a long one would be a way to hold the order up.
      const wanted = Math.min(seen.againMs ?? pause, POLL_MS.most);
      await sleep(this.#o.clock, Math.max(wanted, POLL_MS.first), signal);
    }
  }

  async #authorization(
    url: string,
    account: IssuerAccount,
    signal: AbortSignal,
  ): Promise<AcmeAuthorization> {
    const answer = await this.#ask(url, account, signal);
    requireSuccess(answer, "an authorization", this.#o.now());
    return readAuthorization(answer);
  }

  async #directory(signal: AbortSignal): Promise<AcmeDirectory> {
    const { directory: url, clock, now } = this.#o;
    if (this.#known !== null && clock.now() < this.#known.until) return this.#known.directory;
    const answer = await this.#send("GET", url, null, signal);
    requireSuccess(answer, "its directory", now());
    const directory = readDirectory(answer);
    this.#known = { directory, until: clock.now() + DIRECTORY_MS };
    return directory;
  }

  #ask(url: string, account: IssuerAccount, signal: AbortSignal): Promise<AcmeAnswer> {
    return this.#post(url, null, account, signal);
  }

  async #post(
    url: string,
    payload: object | null,
    account: IssuerAccount,
    signal: AbortSignal,
  ): Promise<AcmeAnswer> {
    const signer = this.#o.signerOf(account.seed);
    for (let tries = 1;; tries++) {
      const nonce = await this.#takeNonce(signal);
      const body = signRequest(payload, { url, nonce, account: account.url }, signer);
      const answer = await this.#send("POST", url, body, signal);
      const isStale = answer.status === 400 && answer.text.includes("error:badNonce");
      if (!isStale || tries >= NONCE_TRIES) return answer;
    }
  }

  async #takeNonce(signal: AbortSignal): Promise<string> {
    if (this.#nonce === null) {
      const { newNonce } = await this.#directory(signal);
      const answer = await this.#send("HEAD", newNonce, null, signal);
      requireSuccess(answer, "a nonce", this.#o.now());
    }
    const nonce = this.#nonce;
    this.#nonce = null;
    if (nonce === null) throw new IssuerError("The certificate authority gives no nonce");
    return nonce;
  }

  async #send(
    method: "GET" | "HEAD" | "POST",
    url: string,
    body: string | null,
    signal: AbortSignal,
  ): Promise<AcmeAnswer> {
    const answer = await this.#o.transport.send({ method, url, body }, signal);
    const nonce = answer.fields["replay-nonce"];
    if (nonce !== undefined && /^[A-Za-z0-9_-]{1,256}$/.test(nonce)) this.#nonce = nonce;
    return answer;
  }
}
