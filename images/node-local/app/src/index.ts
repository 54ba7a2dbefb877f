// What `npm run build` makes of the pages: it runs once, and its output is the app's data.
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { marked } from 'marked';

export interface Page { name: string; title: string; html: string }

const read = (file: string): Page => {
  const text = readFileSync(`pages/${file}`, 'utf8');
  return { name: basename(file, '.md'), title: text.split('\n')[0].replace(/^#+ /, ''), html: marked.parse(text, { async: false }) };
};
console.log(JSON.stringify(readdirSync('pages').sort().map(read)));
