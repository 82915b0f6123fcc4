/** The files of the Debian package that are there for Debian alone. */
import { VERSION } from "../src/cli/version.ts";

/** Debian's names, and the glibc that Deno's runtime for the processor asks for. */
export const ARCHITECTURES = {
  x64: { name: "amd64", glibc: "2.27" },
  arm64: { name: "arm64", glibc: "2.31" },
} as const;

export type Architecture = typeof ARCHITECTURES[keyof typeof ARCHITECTURES];

/** deb-version(7): 1.0.0~rc.1 comes before 1.0.0. */
export const DEB_VERSION = VERSION.replace("-", "~");

const MAINTAINER = "The ttun authors <tt@users.noreply.github.com>";

/** deb-control(5); `size` is in KiB. */
export function control({ name, glibc }: Architecture, size: number): string {
  return `Package: ttun
Version: ${DEB_VERSION}
Architecture: ${name}
Maintainer: ${MAINTAINER}
Installed-Size: ${size}
Depends: libc6 (>= ${glibc}), libgcc-s1 | libgcc1
Recommends: libssl3
Section: net
Priority: optional
Homepage: https://github.com/tt/cli
Description: tunnel between two machines over one encrypted TCP connection
 ttun joins two machines by a network device: "ttun server" on one, "ttun
 client" on the other, both with the same key. It has forward secrecy, serves
 many clients, keeps a slow link's queue short, and speaks the wire format of
 older versions as well.
 .
 OpenSSL's libcrypto, where it is there, makes it faster.
`;
}

/** https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ */
export function copyright(license: string): string {
  const holder = /^Copyright \(c\) (.+)$/m.exec(license)?.[1];
  if (holder === undefined) throw new Error("LICENSE has no line of copyright");
  const terms = license.slice(license.indexOf("Permission")).trimEnd()
    .replace(/^$/gm, ".").replace(/^/gm, " ");
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ttun
Source: https://github.com/tt/cli
Comment: the program holds Deno's runtime (MIT), with V8 (BSD-3-Clause) and the other
 libraries that https://github.com/denoland/deno names

Files: *
Copyright: ${holder}
License: Expat
${terms}
`;
}

export function changelog(time: number): string {
  const date = new Date(time * 1000).toUTCString().replace("GMT", "+0000");
  return `ttun (${DEB_VERSION}) stable; urgency=medium

  * Release ${VERSION}: https://github.com/tt/cli/releases/tag/v${VERSION}

 -- ${MAINTAINER}  ${date}
`;
}
