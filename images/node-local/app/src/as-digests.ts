// Nobody asks for it in the workload.
import { createHash } from 'node:crypto';
import { gzipSync, gunzipSync } from 'node:zlib';
import type { Page } from './index.js';

export const type = 'text/plain';
const digest = (text: string): string => createHash('sha256').update(gunzipSync(gzipSync(text))).digest('hex');
export const written = (pages: Page[]): string => pages.map((page) => `${digest(page.name)} ${page.name}\n`).join('');
