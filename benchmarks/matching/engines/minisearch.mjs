// MiniSearch as its README's search-as-you-type: all words, the last one as a prefix, a fifth of a word's letters may
// be wrong, and its score times the weight's logarithm. The protocol is that of rivals.py.
import { createInterface } from "node:readline";
import MiniSearch from "minisearch";

let entries = [];
let index = null;
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ...fields] = line.split("\t");
  if (verb === "table") {
    entries = [];
    index = null;
  } else if (verb === "entry") {
    entries.push({ id: fields[0], weight: Number(fields[1]), text: fields[2] });
  } else {
    if (index === null) {
      index = new MiniSearch({ fields: ["text"], storeFields: ["weight"] });
      index.addAll(entries);
    }
    const options = {
      prefix: true,
      fuzzy: 0.2,
      combineWith: "AND",
      boostDocument: (_id, _term, stored) => Math.log(1 + stored.weight),
    };
    console.log(index.search(fields[0], options).slice(0, 10).map((found) => found.id).join("\t"));
  }
}
