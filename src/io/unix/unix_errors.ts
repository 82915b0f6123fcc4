import { TtunError, UnreachableError } from "../../base/errors.ts";
import { NativeError } from "../../../ffi/native.ts";

/** Converts an errno of a connect; returns other errors unchanged. */
export function connectError(thrown: unknown, name: string): unknown {
  if (!(thrown instanceof NativeError)) return thrown;
  const options = { cause: thrown };
  const words = (why: string) => `Cannot connect to ${name}: ${why}`;
  if (thrown.is("ENOENT")) {
    return new UnreachableError(
      "refused",
      words("there is no such socket; is the server running?"),
      options,
    );
  }
  if (thrown.is("ECONNREFUSED")) {
    return new UnreachableError("refused", words("nobody listens there any more"), options);
  }
  if (thrown.is("EACCES", "EPERM")) {
    return new TtunError(
      "privilege",
      words("no permission; the socket is for the user that the server runs as, and for root"),
      options,
    );
  }
  if (thrown.is("EAGAIN")) {
    return new TtunError("busy", words("too many connections wait there already"), options);
  }
  return new TtunError("unreachable", words(thrown.message), options);
}

/** Converts an errno of a listener's start; returns other errors unchanged. */
export function listenError(thrown: unknown, name: string): unknown {
  if (!(thrown instanceof NativeError)) return thrown;
  const options = { cause: thrown };
  const words = (why: string) => `Cannot listen on ${name}: ${why}`;
  if (thrown.is("EADDRINUSE")) {
    return new TtunError(
      "in_use",
      words(
        "there is a file already, and it is not a socket that an earlier run of this user left " +
          "behind; end the program that listens there, or remove the file",
      ),
      options,
    );
  }
  if (thrown.is("ENOENT", "ENOTDIR")) {
    return new TtunError("usage", words("its directory does not exist; make it first"), options);
  }
  if (thrown.is("EACCES", "EPERM")) {
    return new TtunError("privilege", words("no permission to make a file there"), options);
  }
  return new TtunError("system", words(thrown.message), options);
}
