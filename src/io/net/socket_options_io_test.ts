import { denoNet, posixNet } from "../../../tests/suite/real_nets.ts";
import { socketSuite } from "../../../tests/suite/socket_suite.ts";

socketSuite("posix_net", (libc) => posixNet(libc, "async"), { hasDescriptor: true });
socketSuite("deno_net", (libc) => denoNet(libc), { hasDescriptor: true });
socketSuite("deno_net without FFI", () => denoNet(null), { hasDescriptor: false });
