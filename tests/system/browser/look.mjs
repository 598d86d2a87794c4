// Opens pages in Chromium and tells what a person would meet: reads its orders as JSON from standard input, a list of
// {url, headers, width, height, scheme, picture, tabs, search}, and writes one JSON answer for each, in a list.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

// What a busy machine may take for a step.
const MILLISECONDS = 120_000;
const judge = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const { program, visits } = JSON.parse(readFileSync(0, "utf8"));
// Root, as whom checks run in a container, has no sandbox to use.
const browser = await chromium.launch({
  executablePath: program,
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
  timeout: MILLISECONDS,
});
const answers = [];
for (const visit of visits) {
  const context = await browser.newContext({
    colorScheme: visit.scheme,
    viewport: { width: visit.width, height: visit.height },
    extraHTTPHeaders: visit.headers,
  });
  context.setDefaultTimeout(MILLISECONDS);
  const page = await context.newPage();
  const messages = [];
  const requests = [];
  page.on("console", (message) => messages.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => messages.push(`error: ${error.message}`));
  page.on("request", (request) => requests.push(request.url()));
  const response = await page.goto(visit.url);
  if (visit.search) {
    await page.getByLabel("Name contains").fill(visit.search);
    await Promise.all([page.waitForURL(/[?]q=/), page.getByRole("button", { name: "Search" }).press("Enter")]);
  }
  const focused = [];
  for (let step = 0; step < visit.tabs; step++) {
    await page.keyboard.press("Tab");
    focused.push(
      await page.evaluate(() => {
        const one = document.activeElement;
        const outline = getComputedStyle(one).outlineStyle;
        const box = one.getBoundingClientRect();
        return { name: one.innerText || one.id, shown: outline !== "none" && box.right > 0 && box.bottom > 0 };
      }),
    );
  }
  // What is folded away is to be as good as the rest.
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
  const seen = await page.evaluate(() => {
    const style = getComputedStyle(document.body);
    return {
      title: document.title,
      text: document.body.innerText,
      wide: document.documentElement.scrollWidth,
      high: document.documentElement.scrollHeight,
      ground: style.backgroundColor,
      ink: style.color,
      font: style.fontFamily,
      headings: [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((one) => Number(one.tagName[1])),
    };
  });
  if (visit.picture) await page.screenshot({ path: visit.picture, fullPage: true });
  // In the page's own world, past its policy: the page itself may run nothing.
  await page.evaluate(judge);
  const judged = await page.evaluate(() =>
    axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  const named = (rules) => rules.map((rule) => ({ rule: rule.id, places: rule.nodes.map((node) => node.html) }));
  answers.push({
    status: response.status(),
    messages,
    requests,
    ...seen,
    focused,
    violations: named(judged.violations),
    passed: judged.passes.map((rule) => rule.id),
  });
  await context.close();
}
await browser.close();
console.log(JSON.stringify(answers));
