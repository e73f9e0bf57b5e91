/** Imports a file from outside the program. What was compiled ahead cannot do that itself: the build puts src/load.ts's way in
 * here. */
export const importFile = (url: string): Promise<{ default?: unknown }> => import(url)
