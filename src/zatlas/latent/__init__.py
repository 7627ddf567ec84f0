"""Operations on points: numpy in, numpy out."""
