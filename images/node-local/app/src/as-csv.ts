import type { Page } from './index.js';

export const type = 'text/csv';
export const written = (pages: Page[]): string => pages.map((page) => `${page.name},${page.title}\n`).join('');
