/** The systems that there is a file for, by the names of their files and of Deno's targets. */
export interface Target {
  /** Name in the file's name and in `--only`. */
  readonly name: string;
  /** Deno's name for it. */
  readonly triple: string;
  readonly format: "ELF" | "Mach-O" | "PE";
  readonly machine: "x64" | "arm64";
  readonly file: string;
  /** For the README beside the files. */
  readonly words: string;
}

function target(name: string, triple: string, format: Target["format"], words: string): Target {
  const machine = name.endsWith("arm64") ? "arm64" : "x64";
  const file = `ttun-${name}${format === "PE" ? ".exe" : ""}`;
  return { name, triple, format, machine, file, words };
}

export const TARGETS: readonly Target[] = [
  target("linux-x64", "x86_64-unknown-linux-gnu", "ELF", "Linux with glibc 2.27 or later, x86-64"),
  target(
    "linux-arm64",
    "aarch64-unknown-linux-gnu",
    "ELF",
    "Linux with glibc 2.31 or later, ARM64",
  ),
  target("macos-x64", "x86_64-apple-darwin", "Mach-O", "macOS on Intel"),
  target("macos-arm64", "aarch64-apple-darwin", "Mach-O", "macOS on Apple silicon"),
  target("windows-x64", "x86_64-pc-windows-msvc", "PE", "Windows 10 or later, x86-64"),
];

/** The target of the machine that this runs on; undefined where there is none. */
export function hostTarget(): Target | undefined {
  return TARGETS.find(({ triple }) => triple === Deno.build.target);
}
