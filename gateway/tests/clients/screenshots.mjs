// Takes the pictures of docs/images, from the pages as they are: `make screenshots`. With names, only those scenes:
// `node screenshots.mjs playground`. The page of measurements is only there after `make performance`: `make picture`.

import { mkdir, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { launch, open, says } from "./support/browser.mjs";
import { Example } from "./support/example.mjs";
import { Gateway } from "./support/gateway.mjs";

const FOLDER = fileURLToPath(new URL("../../../docs/images/", import.meta.url));
const MOST_BYTES = 150_000;
const REPORT = fileURLToPath(new URL("../../../target/performance/index.html", import.meta.url));
const DESKTOP = { width: 1280, height: 1000 };
const PAGE = { width: 900, height: 640 };
const PHONE = { width: 390, height: 1000 };

/** By name: each gets a `stage` and takes its pictures. */
const SCENES = { playground, donations, chat, gym };
const MEASURED = { report };

async function playground(stage) {
  const gateway = await Gateway.start(stage);
  const show = async (name, viewport, colorScheme) => {
    const page = await stage.page(`http://${gateway.public}/`, { viewport, colorScheme });
    await says(page, "#first .topics", /2 present\s+ann\s+bob/);
    await page.click("#first [data-part=push] button");
    await says(page, "#first [data-part=answer]", /^ok/);
    if (viewport === DESKTOP) {
      await page.fill("#second [data-part=push] textarea", '{\n  "text": "Hi ann",\n}');
      await page.click("#second [data-part=push] button");
      await page.click("#first [data-part=frames] li:nth-child(2) summary");
    }
    await stage.picture(page, name);
    await page.close();
  };
  await show("playground", DESKTOP, "light");
  await show("playground-dark", DESKTOP, "dark");
  await show("playground-phone", PHONE, "dark");
}

async function donations(stage) {
  const { public: at } = await Example.start(stage, "donations");
  const donor = async (name) => {
    const page = await stage.page(`http://${at}/`, { viewport: PAGE });
    await page.fill("#name", name);
    await page.click("#watch button");
    await says(page, "#people", new RegExp(name));
    return page;
  };
  const give = async (page, amount, button = "#give button") => {
    await page.fill("#amount", amount);
    await page.click(button);
    await says(page, "#log", new RegExp(Number(amount).toLocaleString("en")));
  };
  const [ann, bob] = [await donor("ann"), await donor("bob")];
  await give(ann, "150000");
  await give(bob, "12500000");
  await give(bob, "750000", "#bank");
  await says(ann, "#people", /ann.*\n*bob/);
  await stage.picture(ann, "donations");

  const admin = await stage.page(`http://${at}/`, { viewport: PAGE, colorScheme: "dark" });
  await admin.fill("#token", "admin-token");
  await admin.click("#open button");
  await says(admin, "#recent", /by bank transfer/);
  await admin.click("#ask button");
  await says(admin, "#answer", /Campaign 1/);
  await stage.picture(admin, "donations-dashboard");
}

async function chat(stage) {
  const { public: at } = await Example.start(stage, "chat");
  const enter = async (name, device) => {
    const page = await stage.page(`http://${at}/`, { viewport: PAGE });
    await page.fill("#name", name);
    await page.selectOption("#device", device);
    await page.press("#name", "Enter");
    await page.waitForSelector("#talk:not([hidden])");
    return page;
  };
  const say = async (page, body) => {
    await page.fill("#body", body);
    await page.press("#body", "Enter");
    await says(page, "#messages", body);
  };
  const [ann, bob] = [await enter("ann", "desktop"), await enter("bob", "phone")];
  await say(ann, "Has anybody seen the figures of yesterday?");
  await say(bob, "@ann they are in the folder of the team");
  await say(ann, "Thank you!");
  await says(ann, "#notifications", "bob");
  await says(ann, "#people", /ann.*\n*bob/);
  await stage.picture(ann, "chat");
}

async function gym(stage) {
  const { public: at } = await Example.start(stage, "gym");
  const enter = async (name, role) => {
    const page = await stage.page(`http://${at}/`, { viewport: PAGE });
    await page.fill("#name", name);
    await page.selectOption("#role", role);
    await page.click("#enter button");
    await page.waitForSelector("#floor:not([hidden])");
    return page;
  };
  const [trainer, ann] = [await enter("tina", "trainer"), await enter("ann", "participant")];
  await ann.click("#exercise button");
  await says(trainer, "#log", /ann/);
  await stage.picture(trainer, "gym");
}

/** Its headlines, and the bars below them. */
async function report(stage) {
  const page = await stage.page(`file://${REPORT}`, { viewport: { width: 1000, height: 800 } });
  const bottom = await page.$eval(".meters", (meters) => Math.ceil(meters.getBoundingClientRect().bottom));
  await page.setViewportSize({ width: 1000, height: bottom + 24 });
  await stage.picture(page, "loadtest-report", 200_000);
}

/** What a scene is played with; all of it ends with `close`. */
class Stage {
  #browser;
  #undo = [];

  /** As the tests have it. */
  after(step) {
    this.#undo.push(step);
  }

  async page(url, options) {
    this.#browser ??= await launch(this);
    return (await open(this.#browser, url, options)).page;
  }

  /** Takes what the page shows, without the focus that the script has set. */
  async picture(page, name, most = MOST_BYTES) {
    await page.evaluate(() => document.activeElement.blur());
    await page.mouse.move(0, 0);
    const path = `${FOLDER}${name}.png`;
    // Without the empty ground below what there is.
    const bottom = await page.$eval("main", (main) => Math.ceil(main.getBoundingClientRect().bottom));
    const { width, height } = page.viewportSize();
    const clip = { x: 0, y: 0, width, height: Math.min(bottom, height) };
    await page.screenshot({ path, clip, animations: "disabled" });
    const { size } = await stat(path);
    if (size > most) throw new Error(`${path} has ${size} bytes: at most ${most} belong into the repository`);
    console.log(`${path}: ${Math.round(size / 1000)} KB`);
  }

  async close() {
    for (const step of this.#undo.reverse()) await step();
  }
}

await mkdir(FOLDER, { recursive: true });
const wanted = process.argv.slice(2);
for (const name of wanted.length > 0 ? wanted : Object.keys(SCENES)) {
  const scene = { ...SCENES, ...MEASURED }[name];
  if (!scene) throw new Error(`no scene ${name}: there are ${Object.keys({ ...SCENES, ...MEASURED }).join(", ")}`);
  const stage = new Stage();
  try {
    await scene(stage);
  } finally {
    await stage.close();
  }
}
