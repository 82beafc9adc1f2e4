// A client of the autocomplete service: `connect`, then `completeQuery` and `openSession`. Messages are plain objects,
// their fields spelt as in the .proto files.

import { fileURLToPath } from "node:url";
import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

// descriptors of the whole API with what it imports: no .proto files of others are needed
const DESCRIPTORS = fileURLToPath(new URL("../../proto/released.binpb", import.meta.url));
const FORMS = { longs: Number, enums: String, defaults: true, oneofs: true };
const SERVICE_CONFIG = JSON.stringify({
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: "autocomplete.v1.AutocompleteService", method: "CompleteQuery" }],
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: "0.05s",
        maxBackoff: "1s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ],
});

/** A stub of the server at HOST:PORT; `close()` it. */
export function connect(address, credentials = grpc.credentials.createInsecure()) {
  const descriptors = protoLoader.loadFileDescriptorSetFromBuffer(readFileSync(DESCRIPTORS), FORMS);
  const { AutocompleteService } = grpc.loadPackageDefinition(descriptors).autocomplete.v1;
  return new AutocompleteService(`dns:///${address}`, credentials, { "grpc.service_config": SERVICE_CONFIG });
}

/** The answer to a `CompleteQueryRequest`; rejects with gRPC's error, of which `details` is for people. */
export function completeQuery(stub, request, timeoutMs = 2000) {
  return new Promise((resolve, reject) => {
    stub.completeQuery(request, { deadline: Date.now() + timeoutMs }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

/**
 * A typing session: `type(query)` at each change of the box; `onAnswer(query, completion, isFinal)` is called for the
 * newest alone, fast first, then refined. `onError` gets what ends the stream, or refuses a keystroke.
 */
export function openSession(stub, config, { onAnswer, onError }) {
  const stream = stub.streamCompleteQuery();
  let newest = { sequence_number: 0, query: "" };
  stream.on("data", ({ sequence_number, result, completion, error, is_final }) => {
    if (sequence_number !== newest.sequence_number) return;
    if (result === "error") onError(new Error(error.message));
    else onAnswer(newest.query, completion, is_final);
  });
  stream.on("error", onError);
  stream.write({ config });
  return {
    type(query) {
      newest = { sequence_number: newest.sequence_number + 1, query };
      stream.write({ keystroke: newest });
    },
    close: () => stream.end(),
  };
}
