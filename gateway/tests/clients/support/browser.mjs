// Headless Chromium that talks to nobody but the tests.

import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts a browser that ends with the test. */
export async function launch(t, args = []) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...QUIET, ...args] });
  t.after(() => browser.close());
  return browser;
}

/**
 * Opens a page in a profile of its own; `options` go to Playwright. What goes wrong in its scripts is kept in `errors`;
 * `complaints` has that, too, and all else that the console tells as a warning or an error, such as what the page's policy
 * has stopped, or a connection that is refused.
 */
export async function open(browser, url, options = {}) {
  const page = await (await browser.newContext(options)).newPage();
  const [errors, complaints] = [[], []];
  page.on("pageerror", ({ message }) => [errors, complaints].forEach((list) => list.push(message)));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  await page.goto(url);
  return { page, errors, complaints };
}

/** Waits until the lines of a list are exactly these, in any order. */
export async function shows(page, list, lines, timeout = 15_000) {
  const same = ([list, lines]) => {
    const shown = [...document.querySelectorAll(`${list} > li`)].map((item) => item.textContent);
    return JSON.stringify(shown.sort()) === JSON.stringify(lines);
  };
  try {
    await page.waitForFunction(same, [list, [...lines].sort()], { timeout });
  } catch {
    const shown = await page.locator(`${list} > li`).allTextContents();
    throw new Error(`${list} shows ${JSON.stringify(shown)}, not ${JSON.stringify(lines)}`);
  }
}

/** Waits until what an element shows has a text in it, or matches a pattern. */
export async function says(page, element, wanted, timeout = 15_000) {
  const { source, flags } = wanted instanceof RegExp ? wanted : new RegExp(escaped(wanted));
  const matches = ([element, source, flags]) => new RegExp(source, flags).test(document.querySelector(element)?.innerText ?? "");
  try {
    await page.waitForFunction(matches, [element, source, flags], { timeout });
  } catch {
    throw new Error(`${element} says ${JSON.stringify(await page.innerText(element))}, not ${wanted}`);
  }
}

function escaped(text) {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
