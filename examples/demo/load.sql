-- The demo's schema and data. Run in this folder; $log is the generated robot log.
CREATE TABLE concept (
  id INT PRIMARY KEY, lemma TEXT NOT NULL, lemmas TEXT NOT NULL, gloss TEXT NOT NULL,
  embedding VECTOR(100)
);
CREATE INDEX concept_lemma ON concept (lemma);
CREATE RELATION is_a FROM concept TO concept;
CREATE RELATION part_of FROM concept TO concept;
CREATE TABLE word (
  id INT PRIMARY KEY, text TEXT NOT NULL UNIQUE, rank INT NOT NULL, embedding VECTOR(100)
);
CREATE TABLE observation (
  id INT PRIMARY KEY, generated BOOL NOT NULL, robot TEXT NOT NULL, at TIMESTAMP NOT NULL,
  kind TEXT NOT NULL, place TEXT NOT NULL, x FLOAT, y FLOAT,
  battery FLOAT CHECK (battery BETWEEN 0 AND 1), concept INT, body TEXT NOT NULL
);
CREATE INDEX observation_at ON observation (at);
CREATE INDEX observation_place ON observation (place, at);
CREATE RELATION saw FROM observation TO concept;

BEGIN WRITE;
COPY concept (id, lemma, lemmas, gloss) FROM 'concept.tsv';
COPY concept (embedding) FROM 'concept.npy' WITH (match_order);
COPY is_a (src, dst) FROM 'is_a.tsv';
COPY part_of (src, dst) FROM 'part_of.tsv';
COPY word (id, text, rank) FROM 'word.tsv';
COPY word (embedding) FROM 'word.npy' WITH (match_order);
COPY observation FROM $log WITH (format = ndjson);
INSERT INTO saw (src, dst) SELECT id, concept FROM observation WHERE concept IS NOT NULL;
COMMIT;
