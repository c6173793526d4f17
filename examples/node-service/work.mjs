// The service's work. One call of each takes clearly different time, in this order.

/** The price of a basket with the best of many discounts, found by trying them all. */
export function calculatePrice(basket) {
  let best = Infinity;
  for (let discount = 0; discount < 40_000; discount++) {
    let price = 0;
    for (const { amount, unitPrice } of basket) {
      price += amount * unitPrice * (1 - Math.abs(Math.sin(discount)) / 10) + Math.sqrt(amount * discount) / 100;
    }
    best = Math.min(best, price);
  }
  return Math.round(best * 100) / 100;
}

// Both groups can match the same letters, so the engine tries every way to split them before it gives up.
const CODE = /^([a-z]+)+-\d{4}$/;

/** Finds the products whose code has the right form. */
export function searchProducts(products) {
  return products.filter(product => CODE.test(product.code));
}

/** The year's orders by month, as JSON. */
export function buildReport(orders) {
  const months = new Map();
  for (const order of orders) {
    const month = order.date.slice(0, 7);
    const entry = months.get(month) ?? { month, count: 0, total: 0, orders: [] };
    entry.count += 1;
    entry.total += order.total;
    entry.orders.push({ ...order, total: order.total.toFixed(2) });
    months.set(month, entry);
  }
  return JSON.stringify([...months.values()], null, 2);
}

/** A page from a template with `{{name}}` in it. */
export function renderPage(template, rows) {
  return rows.map(row => template.replace(/{{(\w+)}}/g, (_, name) => escapeHtml(String(row[name])))).join('\n');
}

function escapeHtml(text) {
  return text.replace(/[&<>"]/g, letter => `&#${letter.charCodeAt(0)};`);
}
