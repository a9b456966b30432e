"""What stands in Docs beside text: tags, words without blanks, scores, domains, experts."""
