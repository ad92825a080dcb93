// A real Prometheus with the rules of the chart, which scrapes the gateways that a test names.

import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { Child, freePort } from "./process.mjs";
import { within } from "./wait.mjs";

const ROOT = new URL("../../../../", import.meta.url);
const RULES = fileURLToPath(new URL("helm/gateway/files/rules.yaml", ROOT));
const TOOLS = fileURLToPath(new URL("target/tools/bin", ROOT));

const ENVIRONMENT = { ...process.env, PATH: TOOLS + delimiter + process.env.PATH };

export class Prometheus {
  /** Starts one that ends with the test. `targets` are the internal ports of pods by their names; all need not be up. */
  static async start(t, targets) {
    const prometheus = new Prometheus();
    const folder = await mkdtemp(join(tmpdir(), "gateway-prometheus-"));
    const port = await freePort();
    prometheus.url = `http://127.0.0.1:${port}`;
    await writeFile(join(folder, "prometheus.yml"), configuration(targets));
    const args = [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    const child = new Child("prometheus", args, { env: ENVIRONMENT });
    t.after(async () => {
      await child.stop("SIGKILL");
      await rm(folder, { recursive: true });
    });
    await child.stderr.first("Prometheus is ready", (line) => line.includes("Server is ready to receive"), 20_000);
    return prometheus;
  }

  /** What an expression gives now. */
  async query(expression) {
    const { data } = await this.#ask(`/api/v1/query?query=${encodeURIComponent(expression)}`);
    return data.result;
  }

  /** All rules, as Prometheus has read them. */
  async rules() {
    const { data } = await this.#ask("/api/v1/rules");
    return data.groups.flatMap((group) => group.rules);
  }

  async #ask(path) {
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(5_000) });
    const body = await response.json();
    if (body.status !== "success") throw new Error(`${path}: ${body.error}`);
    return body;
  }

  /** What promtool says about a page of metrics: names, units, missing help. */
  lint(page) {
    const { error, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: page, env: ENVIRONMENT });
    if (error) throw error;
    return `${stdout}${stderr}`;
  }

  /** Resolves with what an expression gives once it gives something. */
  async until(expression, ms = 20_000) {
    const holds = async () => {
      for (;;) {
        const result = await this.query(expression);
        if (result.length > 0) return result;
        await pause(100);
      }
    };
    return within(ms, `Prometheus finds ${expression}`, holds());
  }
}

// JSON is YAML, too.
function configuration(targets) {
  const pods = Object.entries(targets).map(([name, port]) => ({
    targets: [`127.0.0.1:${port}`],
    labels: { instance: name, pod: name, namespace: "prod" },
  }));
  return JSON.stringify({
    global: { scrape_interval: "250ms", scrape_timeout: "250ms", evaluation_interval: "500ms" },
    rule_files: [RULES],
    scrape_configs: [{ job_name: "gateway", static_configs: pods }],
  });
}
