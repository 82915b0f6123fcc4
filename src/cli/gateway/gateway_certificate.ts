import { abortable } from "../../base/scope.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { AdmissionDesk } from "../../app/mesh/admission/admission_desk.ts";
import { trustAnchor } from "../../core/mesh/admission/authority.ts";
import { GATEWAY_LIFETIME } from "../../core/mesh/admission/gateway_certificate.ts";
import { decodeCertified } from "../../core/mesh/admission/join_answer.ts";
import { encodeRequest, NONCE_SIZE } from "../../core/mesh/admission/join_request.ts";
import { validityOf } from "../../core/x509/certificate.ts";
import { encodePem } from "../../core/x509/pem.ts";
import { ecdsaKey, ecdsaSigner } from "../../io/crypto/ecdsa.ts";
import type { KeyPair } from "../../io/tls/named_contexts.ts";
import { fileReason } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";
import type { HeldNode } from "../mesh/held_node.ts";

/** Milliseconds until files are looked at again. */
const LOOK_MS = 2_000;

/** Milliseconds until a certificate that could not be had is asked for again. */
const RETRY_MS = 2_000;

/** The certificate of a gateway, which may change while it runs. */
export interface GatewayCertificate {
  /** `cancel`: the asker no longer waits. @throws {TtunError} if there is none now; its reason */
  current(cancel: AbortSignal): Promise<KeyPair>;
}

/** A certificate and a key in files, which are read again when they have changed. */
export class FileCertificate implements GatewayCertificate {
  readonly #files: { readonly cert: string; readonly key: string };
  readonly #warn: (message: string) => void;
  #pair: KeyPair;
  #seen: string;
  #looked: number;

  /** @throws {TtunError} usage, if they cannot be read */
  constructor(
    files: { readonly cert: string; readonly key: string },
    warn: (message: string) => void,
  ) {
    this.#files = files;
    this.#warn = warn;
    this.#seen = this.#state();
    this.#pair = readPair(files);
    this.#looked = Date.now();
  }

  current(): Promise<KeyPair> {
    const now = Date.now();
    if (now - this.#looked >= LOOK_MS) this.#look(now);
    return Promise.resolve(this.#pair);
  }

  /** The certificate stays as it is while the files cannot be read. */
  #look(now: number): void {
    this.#looked = now;
    const state = this.#state();
    if (state === this.#seen) return;
    this.#seen = state;
    try {
      this.#pair = readPair(this.#files);
    } catch (error) {
      this.#warn(toTtunError(error).message);
    }
  }

  #state(): string {
    return [this.#files.cert, this.#files.key].map((path) => {
      try {
        const { mtime, size, ino } = Deno.statSync(path);
        return `${mtime?.getTime()} ${size} ${ino}`;
      } catch {
        return "none"; // it is being replaced
      }
    }).join();
  }
}

function readPair({ cert, key }: { readonly cert: string; readonly key: string }): KeyPair {
  const read = (path: string) => {
    try {
      return Deno.readTextFileSync(path);
    } catch (error) {
      throw new TtunError("usage", `Cannot read ${path}: ${fileReason(error)}`, { cause: error });
    }
  };
  const certificates = read(cert).match(
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g,
  );
  if (certificates === null) {
    throw new TtunError("usage", `Cannot use ${cert}: it has no certificate in PEM`);
  }
  return { certificates, key: read(key) };
}

/** A certificate by the cluster's authority, which is made anew when a third of its time is left. */
export class IssuedCertificate implements GatewayCertificate {
  readonly #apex: string;
  readonly #held: HeldNode;
  readonly #desk: AdmissionDesk;
  readonly #signal: AbortSignal;
  #pair: KeyPair | null = null;
  #renewAt = 0;
  #asking: Promise<KeyPair> | null = null;
  #failedAt = -Infinity;
  #failure: TtunError | null = null;

  constructor(
    apex: string,
    { held, desk, signal }: {
      readonly held: HeldNode;
      readonly desk: AdmissionDesk;
      /** The node's: one visitor who leaves does not end what others wait for. */
      readonly signal: AbortSignal;
    },
  ) {
    this.#apex = apex;
    this.#held = held;
    this.#desk = desk;
    this.#signal = signal;
  }

  async current(cancel: AbortSignal): Promise<KeyPair> {
    if (this.#pair !== null && Date.now() < this.#renewAt) return this.#pair;
    const isSoon = Date.now() - this.#failedAt < RETRY_MS;
    if (isSoon && this.#pair === null) throw this.#failure!;
    if (!isSoon) {
      this.#asking ??= this.#make().finally(() => this.#asking = null);
      this.#asking.catch(() => {}); // awaited by those that need it
    }
    if (this.#pair !== null && Date.now() < this.#renewAt + GATEWAY_LIFETIME / 4) return this.#pair;
    if (this.#asking === null) throw this.#failure!;
    return await abortable(this.#asking, cancel);
  }

  async #make(): Promise<KeyPair> {
    const { state, signer: node } = this.#held;
    const seed = rng(32);
    const { publicKey } = ecdsaSigner(seed);
    const { certificate } = state;
    const request = { kind: "certify", certificate, publicKey, apex: this.#apex } as const;
    try {
      const nonce = rng(NONCE_SIZE);
      const sent = encodeRequest(request, nonce, node, null);
      const { certificate: der, issuer, authorities } = decodeCertified(
        await this.#desk.answer(sent, nonce, this.#signal),
      );
      // Invites have the authority's hash alone, by which agents find it.
      const anchors = authorities.map(trustAnchor);
      const chain = [der, ...(issuer === null ? [] : [issuer]), ...anchors];
      const pair = {
        certificates: chain.map((one) => encodePem("CERTIFICATE", one)),
        key: encodePem("EC PRIVATE KEY", ecdsaKey(seed)),
      };
      const { notBefore, notAfter } = validityOf(der);
      this.#renewAt = notAfter - (notAfter - notBefore) / 3;
      this.#pair = pair;
      if (issuer !== null) this.#held.keepWebAuthority(issuer);
      return pair;
    } catch (thrown) {
      this.#failedAt = Date.now();
      this.#failure = toTtunError(thrown);
      throw this.#failure;
    }
  }
}
