import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  // Parts of Grafana's library look at a process that only Node has.
  define: { 'process.env.NODE_ENV': '"production"', 'process.env': '{}', global: 'globalThis' },
  esbuild: { jsx: 'automatic' },
  build: { chunkSizeWarningLimit: 20000, minify: false },
});
