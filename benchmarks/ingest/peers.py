"""LangChain's and LlamaIndex's ingestion: `python peers.py langchain|llama-index FOLDER MODEL`, in their environment.

Both get the model that Sextant has, through fastembed as their own integrations drive it, passages of about the length
that Sextant cuts, without overlap, and the store in memory that comes with them. All else is as their documentation
sets it up: LangChain's `index()` with a record manager, 100 documents a batch; LlamaIndex's `IngestionPipeline`, 10
texts a batch. Files are read by a loop here, which is faster than their loaders.

It prints what `benchmarks.ingest.own` prints, and imports nothing of this project.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHARACTERS = 800  # of a passage: about 200 tokens
TOKENS = 200
MODEL_TOKENS = 256


def main() -> None:
    """Run one, and print what came of it."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    from fastembed import TextEmbedding  # type: ignore[import-not-found,unused-ignore]  # as below

    folder, model = Path(sys.argv[2]), sys.argv[3]
    embedding = TextEmbedding(
        "sentence-transformers/all-MiniLM-L6-v2", specific_model_path=model, local_files_only=True
    )
    seen: list[str] = []

    def embed(texts: list[str]) -> list[list[float]]:
        seen.extend(texts)
        return [row.tolist() for row in embedding.embed(texts, batch_size=256)]

    embed(["a text to warm up with"])
    seen.clear()
    run = {"langchain": langchain, "llama-index": llama_index}[sys.argv[1]]
    ingest = run(embed, embedding.model.tokenizer)
    began, cpu = time.perf_counter(), _cpu_seconds()
    documents = ingest(folder)
    seconds, cpu_seconds = time.perf_counter() - began, _cpu_seconds() - cpu
    tokenizer = type(embedding.model.tokenizer).from_str(embedding.model.tokenizer.to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    counts = (len(each.ids) for each in tokenizer.encode_batch(seen, add_special_tokens=False))
    tokens = sum(min(count, MODEL_TOKENS - 2) for count in counts)
    measured = {"documents": documents, "passages": len(seen), "tokens": tokens, "seconds": seconds}
    print(json.dumps({**measured, "cpu_seconds": cpu_seconds, "way": ""}))


def langchain(embed: Callable[[list[str]], list[list[float]]], tokenizer: Any) -> Callable[[Path], int]:
    """LangChain's splitter, indexing API and vector store."""
    from langchain_core.documents import Document  # type: ignore[import-not-found,unused-ignore]  # peers' environment
    from langchain_core.embeddings import Embeddings  # type: ignore[import-not-found,unused-ignore]  # as above
    from langchain_core.indexing import InMemoryRecordManager, index  # type: ignore[import-not-found,unused-ignore]  # as above
    from langchain_core.vectorstores import InMemoryVectorStore  # type: ignore[import-not-found,unused-ignore]  # as above
    from langchain_text_splitters import RecursiveCharacterTextSplitter  # type: ignore[import-not-found,unused-ignore]  # as above

    class FastEmbed(Embeddings):  # type: ignore[misc,unused-ignore]  # as above
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return embed(texts)

        def embed_query(self, text: str) -> list[float]:
            return embed([text])[0]

    def ingest(folder: Path) -> int:
        documents = [Document(text, metadata={"source": path.name}) for path, text in _files(folder)]
        splitter = RecursiveCharacterTextSplitter(chunk_size=CHARACTERS, chunk_overlap=0)
        records = InMemoryRecordManager(namespace="bench")
        records.create_schema()
        store = InMemoryVectorStore(FastEmbed())
        index(splitter.split_documents(documents), records, store, cleanup="incremental", source_id_key="source")
        return len(documents)

    return ingest


def llama_index(embed: Callable[[list[str]], list[list[float]]], tokenizer: Any) -> Callable[[Path], int]:
    """LlamaIndex's pipeline and vector store."""
    from llama_index.core import Document  # type: ignore[import-not-found,unused-ignore]  # peers' environment
    from llama_index.core.embeddings import BaseEmbedding  # type: ignore[import-not-found,unused-ignore]  # as above
    from llama_index.core.ingestion import IngestionPipeline  # type: ignore[import-not-found,unused-ignore]  # as above
    from llama_index.core.node_parser import SentenceSplitter  # type: ignore[import-not-found,unused-ignore]  # as above
    from llama_index.core.vector_stores import SimpleVectorStore  # type: ignore[import-not-found,unused-ignore]  # as above

    class FastEmbed(BaseEmbedding):  # type: ignore[misc,unused-ignore]  # as above
        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return embed(texts)

        def _get_text_embedding(self, text: str) -> list[float]:
            return embed([text])[0]

        def _get_query_embedding(self, query: str) -> list[float]:
            return embed([query])[0]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return embed([query])[0]

    def count(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def ingest(folder: Path) -> int:
        documents = [Document(text=text, id_=path.name) for path, text in _files(folder)]
        splitter = SentenceSplitter(chunk_size=TOKENS, chunk_overlap=0, tokenizer=count, include_metadata=False)
        pipeline = IngestionPipeline(transformations=[splitter, FastEmbed()], vector_store=SimpleVectorStore())
        pipeline.run(documents=documents)
        return len(documents)

    return ingest


def _files(folder: Path) -> list[tuple[Path, str]]:
    return [(path, path.read_text(errors="replace")) for path in sorted(folder.iterdir())]


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
