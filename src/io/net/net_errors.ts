import { type Addr, formatAddr } from "../../base/addr.ts";
import { TtunError, UnreachableError } from "../../base/errors.ts";
import { NativeError } from "../../../ffi/native.ts";

/** Converts an errno; returns other errors unchanged. `at`: an address, or a name for it. */
export function netError(
  thrown: unknown,
  doing: "connect" | "listen" | "accept" | "stream",
  at: Addr | string,
): unknown {
  if (!(thrown instanceof NativeError)) return thrown;
  const where = typeof at === "string" ? at : formatAddr(at);
  const options = { cause: thrown };
  if (thrown.is("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ENOSPC")) {
    return new TtunError(
      "exhausted",
      `Cannot ${verb(doing)} ${where}: out of descriptors or memory; raise the limit (ulimit -n)`,
      options,
    );
  }
  if (thrown.is("ENODEV") && (doing === "listen" || doing === "connect")) {
    const words = `Cannot ${
      verb(doing)
    } ${where}: this machine has no interface of that name (ip -brief link)`;
    return doing === "listen"
      ? new TtunError("usage", words, options)
      : new UnreachableError("host", words, options);
  }
  if (doing === "listen") return listenError(thrown, where);
  if (doing === "connect") return connectError(thrown, where);
  if (thrown.is("ETIMEDOUT")) {
    return new TtunError(
      "lost",
      `Lost the connection with ${where}: no sign of life from it`,
      options,
    );
  }
  if (thrown.is("ECONNRESET", "EPIPE")) {
    return new TtunError("lost", `Lost the connection with ${where}: it was reset`, options);
  }
  if (thrown.is("ECONNABORTED")) {
    return new TtunError(
      "lost",
      `Lost the connection with ${where}: it was ended by this machine's administrator`,
      options,
    );
  }
  return new TtunError("lost", `Lost the connection with ${where}: ${thrown.message}`, options);
}

function verb(doing: "connect" | "listen" | "accept" | "stream"): string {
  return {
    connect: "connect to",
    listen: "listen on",
    accept: "accept on",
    stream: "go on with",
  }[doing];
}

function listenError(error: NativeError, where: string): TtunError {
  const options = { cause: error };
  if (error.is("EADDRINUSE")) {
    return new TtunError(
      "in_use",
      `Cannot listen on ${where}: the port is taken; end the program that has it or choose another (of a server by --listen)`,
      options,
    );
  }
  if (error.is("EACCES", "EPERM")) {
    return new TtunError(
      "privilege",
      `Cannot listen on ${where}: no privilege for it; ports below 1024 need root or CAP_NET_BIND_SERVICE`,
      options,
    );
  }
  if (error.is("EADDRNOTAVAIL")) {
    return new TtunError(
      "usage",
      `Cannot listen on ${where}: this machine does not have that address`,
      options,
    );
  }
  return new TtunError("system", `Cannot listen on ${where}: ${error.message}`, options);
}

function connectError(error: NativeError, where: string): TtunError {
  const options = { cause: error };
  if (error.is("ECONNREFUSED")) {
    return new UnreachableError(
      "refused",
      `Cannot connect to ${where}: refused; is the server running?`,
      options,
    );
  }
  if (error.is("ETIMEDOUT")) {
    return new TtunError("timeout", `Cannot connect to ${where}: no answer`, options);
  }
  const noNetwork = error.is("ENETUNREACH", "ENETDOWN", "EADDRNOTAVAIL", "EAFNOSUPPORT");
  const noRoute = noNetwork || error.is("EHOSTUNREACH", "EHOSTDOWN");
  return new UnreachableError(
    noNetwork ? "network" : "host",
    `Cannot connect to ${where}: ${noRoute ? "there is no route to it" : error.message}`,
    options,
  );
}

export function listenerClosed(): TtunError {
  return new TtunError("lost", "Cannot accept: the listener has been closed");
}

export function closedHere(): TtunError {
  return new TtunError("lost", "Cannot go on: the connection was closed at this end");
}
