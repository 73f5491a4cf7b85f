// Paired tests of two sets of answers, and intervals of means, the same as tvsight/statistics has.

/** One-sided p-value that the first is right more often than the second: the exact permutation test
 *  that swaps them for whole queries. Both are strings of 0 and 1, one digit for each episode. */
function betterThan(first, second, queries) {
  const leads = new Map();
  queries.forEach((query, at) => leads.set(query, (leads.get(query) ?? 0) + Number(first[at]) - Number(second[at])));
  const each = [...leads.values()].filter(Boolean);
  const most = each.reduce((sum, lead) => sum + Math.abs(lead), 0);
  let chances = new Float64Array(2 * most + 1);
  chances[most] = 1;
  for (const lead of each) {
    const moved = new Float64Array(chances.length);
    chances.forEach((chance, at) => {
      if (chance) [at + lead, at - lead].forEach((to) => (moved[to] += chance / 2));
    });
    chances = moved;
  }
  const sum = each.reduce((total, lead) => total + lead, 0);
  return Math.min(1, chances.slice(most + sum).reduce((total, chance) => total + chance, 0));
}

/** P-values adjusted for their number by Holm's method; null is no test, and stays. */
function holm(values) {
  const order = values.map((_, at) => at).filter((at) => values[at] != null).sort((one, other) => values[one] - values[other]);
  const adjusted = values.map(() => null);
  let largest = 0;
  order.forEach((at, place) => {
    largest = Math.max(largest, values[at] * (order.length - place));
    adjusted[at] = Math.min(1, largest);
  });
  return adjusted;
}

/** The mean of values of tasks, and the ends of its 95 % interval over bootstrap samples. The draws say
 *  how often each task is in each sample, a digit of base 36 for each sample and task. */
function meanWithInterval(values, draws) {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return [mean, null, null];
  const means = new Float64Array(draws.length / n).map((_, sample) =>
    values.reduce((sum, value, at) => sum + value * parseInt(draws[sample * n + at], 36), 0) / n).sort();
  const quantile = (share) => {
    const at = share * (means.length - 1);
    const [low, high] = [means[Math.floor(at)], means[Math.ceil(at)]];
    return low + (at % 1) * (high - low);
  };
  return [mean, quantile(0.025), quantile(0.975)];
}
