import { check } from "../native.ts";
import type { Libc } from "./libc.ts";
import { AF_UNIX, guarded, MSG_DONTWAIT, MSG_NOSIGNAL, openUnixDatagrams } from "./socket.ts";

/** Bytes of a socket's path or abstract name in struct sockaddr_un (unix(7)). */
const LONGEST = 107;
const PATH_AT = 2;

/**
 * Connects to the socket of a service manager (sd_notify(3)); `@` begins an abstract name.
 * @throws {NativeError} ENOENT, ECONNREFUSED, EACCES; {RangeError} for a name that is too long
 */
export function connectNotify(libc: Libc, name: string): number {
  const path = new TextEncoder().encode(name);
  if (path.length > LONGEST) throw new RangeError("The path of a unix socket is too long");
  const isAbstract = name.startsWith("@");
  const address = new Uint8Array(PATH_AT + path.length + (isAbstract ? 0 : 1));
  address[0] = AF_UNIX;
  address.set(path, PATH_AT);
  if (isAbstract) address[PATH_AT] = 0;
  const fd = openUnixDatagrams(libc);
  return guarded(libc, fd, () => {
    check("connect", libc.connect(fd, address, address.length));
    return fd;
  });
}

/** Sends a state, such as READY=1; false if it was not taken. */
export function notify(libc: Libc, fd: number, state: string): boolean {
  const bytes = new TextEncoder().encode(state);
  return libc.send(fd, bytes, MSG_NOSIGNAL | MSG_DONTWAIT) === bytes.length;
}
