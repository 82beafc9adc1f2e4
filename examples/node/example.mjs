// node example.mjs [HOST:PORT]

import { completeQuery, connect, openSession } from "./autocomplete.mjs";

const stub = connect(process.argv[2] ?? "127.0.0.1:50051");
const texts = (answer) => answer.suggestions.map(({ text }) => text);

const answer = await completeQuery(stub, { query: "new yor", max_suggestions: 2 });
console.log("completed:", texts(answer));

try {
  await completeQuery(stub, { query: "new yor", model: "models/elsewhere" });
} catch (error) {
  console.log("refused:", error.details);
}

await new Promise((resolve, reject) => {
  const session = openSession(stub, { max_suggestions: 2 }, {
    onAnswer(query, completion, isFinal) {
      console.log(isFinal ? "final:" : "fast:", query, texts(completion));
      if (isFinal) {
        session.close();
        resolve();
      }
    },
    onError: reject,
  });
  for (const box of ["n", "ne", "new y"]) session.type(box);
});

stub.close();
