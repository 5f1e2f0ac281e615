// Builds one component as its last argument says, in JSON:
//
//   {"tool": "componentize-js", "source": "echo.mjs", "world": "plugin", "wit": FOLDER, "output": FILE, …}
//
// Package toolchains runs it.
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const features = ['stdio', 'random', 'clocks', 'http', 'fetch-event'];

const tools = {
  // SpiderMonkey. Without features the component imports nothing of WASI.
  async 'componentize-js'({ source, world, wit, bare }) {
    const { componentize } = await import('@bytecodealliance/componentize-js');
    const { component } = await componentize({
      sourcePath: source, witPath: wit, worldName: world, disableFeatures: bare ? features : [],
    });
    return component;
  },

  // QuickJS. sync leaves out the functions of asynchronous components.
  async 'componentize-qjs'({ source, world, wit, sync, bare }) {
    const { componentize } = await import('componentize-qjs');
    const jsSource = await readFile(source, 'utf8');
    const { component } = await componentize({ jsSource, jsPath: source, witPath: wit, world, sync, stubWasi: bare });
    return component;
  },

  // wit-component, for a core module of any language.
  async 'wit-component'({ source, world, wit, adapter, encoding }) {
    const { componentEmbed, componentNew } = await import('@bytecodealliance/jco-transpile/wasm-tools');
    const { preview1AdapterReactorPath } = await import('@bytecodealliance/jco');
    const embedded = await componentEmbed({
      binary: await readFile(source), witSource: await oneText(wit), world, stringEncoding: encoding,
    });
    const adapters = adapter ? [['wasi_snapshot_preview1', await readFile(preview1AdapterReactorPath())]] : [];
    return componentNew(embedded, adapters);
  },
};

// oneText is a folder's package, with those of its folder deps inside braces.
async function oneText(folder) {
  const texts = async (folder) => {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.wit')).sort();
    return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  };
  const deps = await texts(join(folder, 'deps'));
  return [...await texts(folder), ...deps.map((text) => text.replace(/^(package [^;]+);/m, '$1 {') + '}')].join('\n');
}

const job = JSON.parse(process.argv.at(-1));
await writeFile(job.output, await tools[job.tool](job));
