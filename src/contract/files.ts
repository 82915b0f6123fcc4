/** A time as the kernel has it. */
export interface FileTime {
  /** Since 1970; may be negative. */
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A file whose bytes can be read anywhere. */
export interface ReadableFile extends Disposable {
  /** Reads to the front of `into`; 0 = its end. @throws {TtunError} */
  read(at: number, into: Uint8Array): number;
}

/** A file of this machine that is sent. */
export interface SourceFile extends ReadableFile {
  /** It is as it was when it was listed. */
  isUnchanged(): boolean;
}

export interface FileAttributes {
  /** Permission bits, from which the umask's are taken. */
  readonly mode: number;
  readonly modified: FileTime;
}

/** A file that is not complete, and has another name until it is. Locked for others. */
export interface PartFile extends ReadableFile {
  /** Bytes that were there when it was opened. */
  readonly size: number;
  /** Writes all. @throws {TtunError} */
  write(at: number, bytes: Uint8Array): void;
  truncate(size: number): void;
  /**
   * Gives it its attributes and its name. Waits for the disk where the file is large.
   * @throws {TtunError} usage, if the name is there already and `overwrite` is false
   */
  commit(attributes: FileAttributes, overwrite: boolean): Promise<void>;
  /** Removes it. */
  discard(): void;
}

/** A file or the like that has a name already. */
export interface FoundFile {
  readonly kind: "file" | "folder" | "other";
  readonly size: number;
}

/** A folder below which files are written, and nowhere else, whatever their names are. */
export interface TargetFolder extends Disposable {
  /** Bytes that this user may still write there. @throws {TtunError} */
  freeBytes(): number;
  /** Follows no link. Null = nothing has the name. @throws {TtunError} */
  look(name: string): FoundFile | null;
  /** Bytes of the unfinished file of this name; 0 = there is none. @throws {TtunError} */
  partSize(name: string): number;
  /** Does nothing where it is there. @throws {TtunError} usage, if something else has the name */
  makeFolder(name: string, mode: number): void;
  /** @throws {TtunError} in_use, if another process writes it */
  openPart(name: string): PartFile;
  open(name: string): ReadableFile;
  /** Sets a folder's time, and the mode of one that was made here. @throws {TtunError} */
  finishFolder(name: string, attributes: FileAttributes): void;
}

/** A file or folder of this machine that is to be sent. */
export interface ListedFile extends FileAttributes {
  readonly kind: "file" | "folder";
  /** Its parts are separated by slashes. */
  readonly name: string;
  /** Bytes; 0 of a folder. */
  readonly size: number;
  /** Opens what was listed, or something else if that was changed. @throws {TtunError} */
  open(): SourceFile;
}
