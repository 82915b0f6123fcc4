/** Returns the file of the core in a node's folder. */
export function coreFile(folder: string): string {
  return `${folder}/core.db`;
}
