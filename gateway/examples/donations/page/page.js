import { append, byId, connect, fill, refused, showPresence } from "/live.js";

const money = new Intl.NumberFormat("en", { style: "currency", currency: "IDR", maximumFractionDigits: 0 });
const rupiah = (amount) => money.format(amount);
const clock = (timestamp) => new Date(timestamp).toLocaleTimeString();
const since = (seconds) => clock(Number(seconds) * 1000);
/** Who is here in several tabs, or on a pod that has just died, is here several times. */
const times = ({ length }) => (length > 1 ? ` ×${length}` : "");

/** Shows a view instead of the two entrances, when its channel is joined. */
function enter(channel, view, problem, describe) {
  showPresence(channel, byId("people"), describe);
  channel
    .join()
    .receive("ok", () => {
      for (const id of ["entrance", "office"]) byId(id).hidden = true;
      for (const id of [view, "present"]) byId(id).hidden = false;
    })
    .receive("error", ({ reason }) => {
      refused(channel.socket, reason);
      byId(problem).textContent = reason;
    });
}

byId("watch").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("not-watched").textContent = "";
  watch(byId("which").value, byId("name").value.trim());
});

byId("open").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("not-opened").textContent = "";
  open(byId("token").value);
});

/** The view of a donor. */
function watch(id, user) {
  const channel = connect().channel(`campaign:${id}`, { user_id: user });
  let campaign = { goal: 0, raised: 0, donors: 0 };
  const show = (changes) => {
    campaign = { ...campaign, ...changes };
    byId("raised").textContent = rupiah(campaign.raised);
    byId("goal").textContent = rupiah(campaign.goal);
    byId("donors").textContent = campaign.donors;
    byId("progress").max = campaign.goal;
    byId("progress").value = campaign.raised;
  };
  const figures = ({ goal, raised, donors }) => show({ goal, raised, donors });
  // What is counted here is right most of the time. A donation that is made while the totals are read may stand in them
  // and come by itself, or come first and be overwritten. So a moment after one the server is asked for its totals: it has
  // stored the donation before it told of it, and the last one to come is followed by an answer that has them all.
  let asking;
  const settle = () => {
    asking ??= setTimeout(() => {
      asking = undefined;
      if (channel.state === "joined") channel.push("request_campaign_update", {}).receive("ok", figures);
    }, 500 + Math.random() * 1000);
  };
  byId("title").textContent = `Campaign ${id}`;
  // It comes after every join, so also when the connection was away.
  channel.on("campaign_data", figures);
  channel.on("donation_received", ({ amount, donor, timestamp, source }) => {
    show({ raised: campaign.raised + amount, donors: campaign.donors + 1 });
    settle();
    append(byId("log"), `${clock(timestamp)} ${donor} gave ${rupiah(amount)}${source ? " by bank transfer" : ""}`);
  });
  channel.on("campaign_updated", ({ raised, timestamp }) => {
    show({ raised });
    settle();
    append(byId("log"), `${clock(timestamp)} the total was set to ${rupiah(raised)}`);
  });
  channel.on("campaign_refreshed", ({ raised, goal, donors, timestamp }) => {
    show({ raised, goal, donors });
    append(byId("log"), `${clock(timestamp)} refreshed: ${rupiah(raised)} by ${donors} donations`);
  });

  byId("give").onsubmit = (event) => {
    event.preventDefault();
    byId("problem").textContent = "";
    channel
      .push("new_donation", { amount: Number(byId("amount").value), donor: user })
      .receive("error", (answer) => (byId("problem").textContent = reasons(answer)))
      .receive("timeout", () => (byId("problem").textContent = "No answer: it may have been stored."));
  };
  byId("bank").onclick = async () => {
    byId("problem").textContent = "";
    const transfer = { campaign_id: id, amount: Number(byId("amount").value), donor: user, reference: crypto.randomUUID() };
    const headers = { "content-type": "application/json" };
    const response = await fetch("/bank/transfers", { method: "POST", headers, body: JSON.stringify(transfer) });
    if (!response.ok) byId("problem").textContent = reasons(await response.json().catch(() => ({ reason: response.status })));
  };
  enter(channel, "campaign", "not-watched", (key, metas) => `${key}, since ${since(metas[0].online_at)}${times(metas)}`);
}

/** The view of an admin. */
function open(token) {
  const channel = connect().channel("dashboard:live", { token });
  let total = 0;
  let recent = [];
  const line = ({ campaign_id, amount, donor, timestamp, source }) =>
    `${clock(timestamp)} ${donor} gave ${rupiah(amount)} to campaign ${campaign_id}${source ? " by bank transfer" : ""}`;
  const show = () => {
    byId("total").textContent = rupiah(total);
    fill(byId("recent"), recent.map(line));
  };
  // It comes after every join, when a total is corrected, and once a period.
  channel.on("dashboard_state", ({ total_raised, active_campaigns, recent_donations }) => {
    [total, recent] = [total_raised, recent_donations];
    byId("active").textContent = active_campaigns.length;
    const asked = byId("asked").value;
    byId("asked").replaceChildren(...active_campaigns.map(({ id }) => new Option(id, id, false, id === asked)));
    show();
  });
  channel.on("new_donation", (donation) => {
    // One that was made while this page joined stands in the state, too.
    if (recent.some((known) => line(known) === line(donation) && known.timestamp === donation.timestamp)) return;
    total += donation.amount;
    recent = [donation, ...recent].slice(0, 10);
    show();
  });
  byId("ask").onsubmit = (event) => {
    event.preventDefault();
    channel
      .push("request_campaign_update", { campaign_id: byId("asked").value })
      .receive("ok", ({ id, raised, goal, donors }) => {
        byId("answer").textContent = `Campaign ${id}: ${rupiah(raised)} of ${rupiah(goal)} by ${donors} donations`;
      })
      .receive("error", ({ reason }) => (byId("answer").textContent = reason));
  };
  enter(channel, "dashboard", "not-opened", (key, metas) => `${key}, ${metas[0].role}, since ${since(metas[0].joined_at)}${times(metas)}`);
}

function reasons({ errors, reason }) {
  return errors ? Object.entries(errors).map(([field, error]) => `${field} ${error}`).join("; ") : String(reason);
}
