import { componentize } from '@bytecodealliance/componentize-js';
import { writeFile } from 'node:fs/promises';
const { component, imports } = await componentize({ sourcePath: process.argv[2], witPath: '/tmp/jsx/wit', worldName: 'web' });
await writeFile(process.argv[3], component);
